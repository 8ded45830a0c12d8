"""Everything that can be configured: decoded once at start, from one TOML file and the environment.

The environment wins. An unknown key or variable is refused by name: a typo never means a default.
Nothing else reads `os.environ`.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import msgspec
from msgspec import Meta

from api.address_rules import RULES

PREFIX = "EULERMAKER_"
FILE_NAME = "eulermaker.toml"
MEBIBYTE = 1024 * 1024

Port = Annotated[int, Meta(ge=0, le=65_535)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class SettingsError(Exception):
    """The configuration cannot be used; the message names the key and says what is expected."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One concern."""


class ServerSettings(Section, frozen=True, kw_only=True):
    """port 0 takes any free one. trusted_proxies: addresses whose X-Forwarded-For is believed.

    cors_origins may call the API from a browser; allowed_origins may open WebSockets.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    cors_origins: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    body_timeout_seconds: Seconds = 30.0
    shutdown_seconds: Seconds = 10.0


class DatabaseSettings(Section, frozen=True, kw_only=True):
    """url: of the migrating user; empty starts the embedded server.

    service_url: of the service's own role; empty derives it from url. pool_size: per process.
    """

    url: str = ""
    service_url: str = ""
    pool_size: Positive = 10


class RedisSettings(Section, frozen=True, kw_only=True):
    """url: empty starts the embedded server; `none` does without."""

    url: str = ""


class EngineSettings(Section, frozen=True, kw_only=True):
    """As the docker command understands DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.

    network_pool: addresses of the networks that we make in the engine; of no use elsewhere.
    """

    host: str = ""
    tls_verify: bool = False
    cert_path: str = ""
    network_pool: str = "10.213.0.0/16"


class BuildSettings(Section, frozen=True, kw_only=True):
    """base_image: what builds start from that name none."""

    base_image: str = "openeuler/openeuler:24.03-lts"


class StorageSettings(Section, frozen=True, kw_only=True):
    """directory: of blobs; empty means `blobs` in the data directory.

    unused_blob_seconds: what no event mentions is deleted when nobody has asked for it for so
    long. Never less than an hour: a request that was begun must come to its end within it.
    max_log_bytes: of a build step, which fails beyond it, and of a container, which goes on.
    """

    directory: str = ""
    unused_blob_seconds: Annotated[int, Meta(ge=3_600, le=366 * 86_400)] = 86_400
    max_log_bytes: Positive = 64 * MEBIBYTE
    max_blob_bytes: Positive = 4096 * MEBIBYTE
    max_context_bytes: Positive = 1024 * MEBIBYTE


class AccessSettings(Section, frozen=True, kw_only=True):
    """Requests per second and key or address; failures recorded per minute and key or address, and
    of strangers in all; WebSockets, logs and downloads open per key. IPv6 addresses count by /64.
    """

    requests_per_second_and_key: Positive = 200
    requests_per_second_and_address: Positive = 50
    recorded_failures_per_minute: Positive = 20
    recorded_failures_per_minute_in_all: Positive = 600
    streams_per_key: Positive = 1_000


class LoggingSettings(Section, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class MetricsSettings(Section, frozen=True, kw_only=True):
    """Ports on which the roles without an API show what they measure; 0 for none.

    also: `host:port` of other roles, whose measurements the API shows with its own.
    """

    project_port: Port = 0
    work_port: Port = 0
    also: tuple[str, ...] = ()


class ClientSettings(Section, frozen=True, kw_only=True):
    """For the command line, by the environment only: where the service is, which key to show it.

    Empty means the local service, by the files in its data directory.
    """

    url: str = ""
    key: str = ""


class TestingSettings(Section, frozen=True, kw_only=True):
    """crash_at: the name of a point where the process kills itself, for tests of recovery."""

    __test__ = False

    crash_at: str = ""


class Settings(Section, frozen=True, kw_only=True):
    data_dir: str = "var"
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    engine: EngineSettings = EngineSettings()
    builds: BuildSettings = BuildSettings()
    storage: StorageSettings = StorageSettings()
    access: AccessSettings = AccessSettings()
    logging: LoggingSettings = LoggingSettings()
    metrics: MetricsSettings = MetricsSettings()
    client: ClientSettings = ClientSettings()
    testing: TestingSettings = TestingSettings()

    @classmethod
    def load(
        cls, environment: Mapping[str, str] | None = None, *, data_dir: str | None = None
    ) -> Self:
        """data_dir: as given on the command line, which wins over everything."""
        environment = os.environ if environment is None else environment
        directory = data_dir or environment.get("EULERMAKER_DATA_DIR") or "var"
        named = environment.get("EULERMAKER_CONFIG")
        file = Path(named or Path(directory) / FILE_NAME)
        values = _read_file(file, is_named=bool(named))
        variables: dict[tuple[str, str], str] = {}
        for name, section, key, text in _variables(environment):
            _set(values, name, section, key, text)
            variables[section, key] = name
        values["data_dir"] = directory
        _check_addresses(values, variables, file)
        return _convert(cls, values, "The settings are wrong")

    @property
    def directory(self) -> Path:
        return Path(self.data_dir).expanduser().absolute()

    @property
    def key_file(self) -> Path:
        """Opens the stored secrets."""
        return self.directory / "secrets.key"

    @property
    def blob_directory(self) -> Path:
        return Path(self.storage.directory or self.directory / "blobs").expanduser().absolute()

    @property
    def log_directory(self) -> Path:
        """Apart from the blobs: an erased log takes its files along."""
        return self.directory / "log-files"


ALIASES: dict[str, tuple[str, str]] = {
    "DATABASE_URL": ("database", "url"),
    "REDIS_URL": ("redis", "url"),
    "DOCKER_HOST": ("engine", "host"),
    "DOCKER_TLS_VERIFY": ("engine", "tls_verify"),
    "DOCKER_CERT_PATH": ("engine", "cert_path"),
    "EULERMAKER_BASE_IMAGE": ("builds", "base_image"),
    "EULERMAKER_URL": ("client", "url"),
    "EULERMAKER_KEY": ("client", "key"),
    "EULERMAKER_DATA_DIR": ("", "data_dir"),
}
NOT_IN_FILE = {
    "data_dir": "Use --data-dir or EULERMAKER_DATA_DIR.",
    "client": "Clients read no file: use EULERMAKER_URL and EULERMAKER_KEY.",
}
NOT_OURS = ("EULERMAKER_TEST_", "EULERMAKER_CONFIG")
"""Variables of the test suite, and the one that names the file itself."""

T = TypeVar("T")

SECTIONS = {field.name: field.type for field in msgspec.structs.fields(Settings)}


def _read_file(path: Path, *, is_named: bool) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if is_named:
            raise SettingsError(f"EULERMAKER_CONFIG names {path}, which does not exist.") from None
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from error
    for key, instead in NOT_IN_FILE.items():
        if key in values:
            raise SettingsError(f"{path} is wrong: `{key}` has no effect there. {instead}")
    _convert(Settings, values, f"{path} is wrong")
    return values


def _variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """(variable, section, key, text) of all that are set and ours."""
    for name, text in environment.items():
        if name == "DOCKER_TLS_VERIFY":
            yield name, *ALIASES[name], "true" if text else "false"  # as the docker command does
        elif name in ALIASES:
            yield name, *ALIASES[name], text
        elif name.startswith(PREFIX) and not name.startswith(NOT_OURS):
            section, _, key = name.removeprefix(PREFIX).lower().partition("_")
            if section not in SECTIONS or key not in _types_of(section):
                raise SettingsError(
                    f"{name} is not a known variable. They are EULERMAKER_<SECTION>_<KEY>, "
                    f"with the sections {', '.join(sorted(set(SECTIONS) - {'data_dir'}))}."
                )
            yield name, section, key, text


def _types_of(section: str) -> dict[str, Any]:
    if section not in SECTIONS or section == "data_dir":
        return {}
    return {field.name: field.type for field in msgspec.structs.fields(SECTIONS[section])}


def _set(values: dict[str, Any], name: str, section: str, key: str, text: str) -> None:
    if not section:
        values[key] = text
        return
    wanted = _types_of(section)[key]
    value: object = text
    if wanted == tuple[str, ...]:
        value = [item.strip() for item in text.split(",") if item.strip()]
    elif wanted is bool:
        value = text.lower() if text else "false"
    try:
        values.setdefault(section, {})[key] = msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name} is wrong: {error}.") from error


def _check_addresses(
    values: Mapping[str, Any], variables: Mapping[tuple[str, str], str], file: Path
) -> None:
    for (section, key), rule in RULES.items():
        address = values.get(section, {}).get(key)
        refusal = None if address is None else rule.refusal(address)
        if refusal:
            name = variables.get((section, key), f"{section}.{key} in {file}")
            raise SettingsError(f"{name} {refusal}")


def _convert(wanted: type[T], values: dict[str, Any], problem: str) -> T:
    try:
        return msgspec.convert(values, wanted)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{problem}: {error}.") from error
