"""What addresses in the settings must look like.

An address may hold a password, so what is wrong with one is said without showing any of it.
"""

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

SMALLEST_POOL = 26
GREATEST_PORT = 65_535
WITHOUT_REDIS = "none"


class AddressRule(msgspec.Struct, frozen=True, kw_only=True):
    """examples: of right ones. problem: what is wrong, or None."""

    examples: str
    problem: Callable[[str], str | None]
    may_be_empty: bool = True

    def refusal(self, address: str) -> str | None:
        """The end of a sentence that begins with the address's name; None if it can be used."""
        if not address and self.may_be_empty:
            return None
        problem = self.problem(address)
        return problem and f"{problem}. Write it like {self.examples}."


def _database_problem(address: str) -> str | None:
    return _url_problem(address, ("postgresql", "postgres")) or _unread(_read_database, address)


def _redis_problem(address: str) -> str | None:
    if address == WITHOUT_REDIS:
        return None
    return _url_problem(address, ("redis", "rediss", "unix")) or _unread(_read_redis, address)


def _engine_problem(address: str) -> str | None:
    problem = _url_problem(address, ("unix", "tcp", "ssh"))
    if problem:
        return problem
    parts = urlsplit(address)
    if parts.scheme != "unix":
        return None if parts.hostname else "names no host"
    is_whole = parts.path and not parts.netloc
    return None if is_whole else "names no socket by its whole path"


def _pool_problem(text: str) -> str | None:
    try:
        is_pool = IPv4Network(text).prefixlen <= SMALLEST_POOL
    except ValueError:
        is_pool = False
    return None if is_pool else f"is no range of IPv4 addresses of /{SMALLEST_POOL} or larger"


DATABASE = AddressRule(examples="postgresql://user@host:5432/name", problem=_database_problem)
RULES = {
    ("database", "url"): DATABASE,
    ("database", "service_url"): DATABASE,
    ("redis", "url"): AddressRule(examples="redis://host:6379/0 or none", problem=_redis_problem),
    ("engine", "host"): AddressRule(
        examples="unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host",
        problem=_engine_problem,
    ),
    ("engine", "network_pool"): AddressRule(
        examples="10.213.0.0/16", problem=_pool_problem, may_be_empty=False
    ),
}
"""By section and key."""


def _url_problem(address: str, schemes: tuple[str, ...]) -> str | None:
    scheme, separator, _ = address.partition("://")
    if not separator or scheme not in schemes:
        *others, last = (f"{each}://" for each in schemes)
        return f"does not begin with {', '.join(others)} or {last}"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "cannot be used: its host is not understood"
    has_ports = all(map(_is_port, _ports(parts)))
    if _is_torn(parts, has_ports=has_ports):
        return (
            "cannot be used: its user or password has an @, /, ? or #;"
            " write them as %40, %2F, %3F and %23"
        )
    if not has_ports:
        return f"cannot be used: its port is not a number from 1 to {GREATEST_PORT}"
    return None


def _is_torn(parts: SplitResult, *, has_ports: bool) -> bool:
    """By a password that is not quoted. In a query an @ may well be meant."""
    after = parts.query + parts.fragment
    begins_early = "@" in after and "@" not in parts.netloc and not has_ports
    return parts.netloc.count("@") > 1 or "@" in parts.path or begins_early


def _ports(parts: SplitResult) -> list[str]:
    """PostgreSQL's client takes several hosts, each with its own."""
    hosts = parts.netloc.rpartition("@")[2].split(",")
    found = (host.rpartition("]")[2].partition(":") for host in hosts)
    return [port for *_, port in found if port]


def _is_port(text: str) -> bool:
    return text.isdecimal() and 1 <= int(text) <= GREATEST_PORT


def _unread(read: Callable[[str], object], address: str) -> str | None:
    """By the client that is going to use the address; its own words may show a password."""
    try:
        read(address)
    except Exception:  # noqa: BLE001 - each client has its own
        return "cannot be used: what follows a % or a ? in it is not understood"
    return None


def _read_database(address: str) -> None:
    from psycopg.conninfo import conninfo_to_dict

    conninfo_to_dict(address)


def _read_redis(address: str) -> None:
    from redis.asyncio import Redis

    # The library leaves its keyword arguments untyped. Nothing connects yet.
    pool: Any = Redis.from_url(address).connection_pool  # pyright: ignore[reportUnknownMemberType]
    pool.make_connection()
