"""Where the service is and which key to show it: options, environment, then what `up` wrote."""

from pathlib import Path

import click
import msgspec

from api.cli import exits
from api.cli.data_directory import DataDirectory, read_text

DEFAULT_ADDRESS = "http://127.0.0.1:8080"


class ServiceAddress(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    key: str


class NoKey(click.ClickException):
    exit_code = exits.NOT_ALLOWED

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no API key: set EULERMAKER_KEY, or start the service here, which keeps"
            f" one in {path} (readable by whoever started it only)."
        )


def find_service(server: str | None, key: str | None, data_dir: Path) -> ServiceAddress:
    directory = DataDirectory(data_dir)
    url = server or read_text(directory.server) or DEFAULT_ADDRESS
    # A key found here is for the service here: it is never shown to a server named otherwise.
    local_key = None if server and server != read_text(directory.server) else directory.admin_key
    key = key or (read_text(local_key) if local_key else None)
    if key is None:
        raise NoKey(directory.admin_key)
    return ServiceAddress(url=url.rstrip("/"), key=key)
