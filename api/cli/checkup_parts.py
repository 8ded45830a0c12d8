"""What the service needs of other servers."""

import os
from datetime import UTC, datetime
from typing import Any

import psycopg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from adapters.embedded.connection import read_connection
from adapters.postgres.migrate import shipped
from api.address_rules import WITHOUT_REDIS
from api.cli.addresses import place
from api.cli.checkup import START, Finding, bad, good, warning
from api.cli.data_directory import DataDirectory, read_text
from api.engines import engine as open_engine
from api.settings import Settings
from domain.errors import EngineError

CONNECT_SECONDS = 5
OLDEST_POSTGRES = 150_000
OLDEST_ENGINE_API = (1, 41)
CLOCK_SECONDS = 1.0
STATE = """
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
    to_regclass('log.migrations') IS NOT NULL
"""


async def check_postgres(settings: Settings) -> Finding:
    url = _database_url(settings)
    if url is None:
        return warning("PostgreSQL", "the embedded server was never started", START)
    try:
        async with await _connect(url) as connection:
            version, number, migrated = await _one(connection, STATE)
            if number < OLDEST_POSTGRES:
                return bad("PostgreSQL", version, "Use PostgreSQL 15 or later.")
            missing = await _missing_migrations(connection) if migrated else ["all"]
            if missing:
                found = f"{version} at {place(url)} lacks migrations: {', '.join(missing)}"
                return bad("PostgreSQL", found, "Apply them: eulermaker up")
            head = await _one(connection, "SELECT position FROM log.log_head")
    except psycopg.Error as error:
        advice = "Correct DATABASE_URL, or start that server." if settings.database.url else START
        return bad("PostgreSQL", _first_line(error), advice)
    return good("PostgreSQL", f"{version} at {place(url)}, migrated, log at position {head[0]}")


async def check_clock(settings: Settings) -> Finding:
    url = _database_url(settings)
    if url is None:
        return warning("clock", "nothing to compare it with", START)
    try:
        async with await _connect(url) as connection:
            (theirs,) = await _one(connection, "SELECT clock_timestamp()")
    except psycopg.Error:
        return warning("clock", "PostgreSQL does not answer", "See there.")
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if apart > CLOCK_SECONDS:
        advice = "Let both machines follow the same time server (chrony or systemd-timesyncd)."
        return warning("clock", f"{apart:.1f} s away from PostgreSQL's", advice)
    return good("clock", f"{apart * 1000:.0f} ms away from PostgreSQL's")


async def check_redis(settings: Settings) -> Finding:
    url = settings.redis.url
    if url == WITHOUT_REDIS:
        return warning("Redis", "none is wanted", "Limits and live logs are per process.")
    if not url:
        known = read_connection(settings.directory / "redis" / "url")
        if known is None:
            return warning("Redis", "the embedded server was never started", START)
        url = f"redis://:{known.password}@127.0.0.1:{known.port}/0"
    # The library leaves its keyword arguments untyped.
    client = Redis.from_url(url, socket_timeout=CONNECT_SECONDS)  # pyright: ignore[reportUnknownMemberType]
    try:
        about: dict[str, Any] = await client.info("server")  # pyright: ignore[reportUnknownMemberType]
    except RedisError as error:
        advice = "Correct REDIS_URL, or start that server" if settings.redis.url else START
        found = f"{place(url)}: {_reason(error)}"
        return warning("Redis", found, f"{advice}. Meanwhile all answers continue.")
    finally:
        await client.aclose()
    version = about.get("valkey_version") or about.get("redis_version")
    return good("Redis", f"{version} at {place(url)}")


async def check_docker(settings: Settings) -> Finding:
    try:
        async with open_engine(settings) as engine:
            found = await engine.identity()
    except EngineError as error:
        return bad(
            "Docker",
            _first_line(error),
            "Start the engine (systemctl start docker, or ops/up), or correct DOCKER_HOST.",
        )
    words = f"{found.version}, API {found.api_version}, named {found.name}"
    if tuple(int(part) for part in found.api_version.split(".")) < OLDEST_ENGINE_API:
        return bad("Docker", words, "Use Docker Engine 20.10 (API 1.41) or later.")
    return good("Docker", words)


async def engine_answers(settings: Settings) -> bool:
    try:
        async with open_engine(settings) as engine:
            await engine.identity()
    except EngineError:
        return False
    return True


async def check_base_image(settings: Settings) -> Finding:
    name = base_image_in_use(settings)
    try:
        async with open_engine(settings) as engine:
            image = await engine.find_image(name)
    except EngineError:
        return warning("base image", f"{name}: the engine does not answer", "See Docker.")
    if image is None:
        return warning("base image", f"{name} is not here", f"docker pull {name}, or run ops/up")
    return good("base image", name)


def base_image_in_use(settings: Settings) -> str:
    """The service may have been started with another environment than ours, as by ops/up."""
    known = read_text(DataDirectory(settings.directory).base_image)
    return known or settings.builds.base_image


def _database_url(settings: Settings) -> str | None:
    if settings.database.url:
        return settings.database.url
    known = read_connection(settings.directory / "postgres" / "url")
    if known is None:
        return None
    return f"postgresql://eulermaker:{known.password}@127.0.0.1:{known.port}/eulermaker"


async def _connect(url: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    return await psycopg.AsyncConnection.connect(
        url, connect_timeout=CONNECT_SECONDS, autocommit=True
    )


async def _one(connection: psycopg.AsyncConnection[tuple[Any, ...]], query: str) -> tuple[Any, ...]:
    row = await (await connection.execute(query.encode())).fetchone()
    return row or ()


async def _missing_migrations(
    connection: psycopg.AsyncConnection[tuple[Any, ...]],
) -> list[str]:
    rows = await (await connection.execute(b"SELECT number FROM log.migrations")).fetchall()
    applied = {number for (number,) in rows}
    return [each.name for each in shipped() if each.number not in applied]


def _reason(error: RedisError) -> str:
    cause = error.__context__
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
