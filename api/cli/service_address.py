"""Where the service is and which key to show it: options, environment, then what `up` wrote."""

from pathlib import Path
from urllib.parse import urlsplit

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

    def __init__(self, path: Path, *, elsewhere: str | None = None) -> None:
        super().__init__(
            f"There is no API key for {elsewhere}: set EULERMAKER_KEY to one of that service. A"
            " key that is kept here is shown to the service here only."
            if elsewhere
            else "There is no API key: set EULERMAKER_KEY, or start the service here, which keeps"
            f" one in {path} (readable by whoever started it only)."
        )


def find_service(server: str | None, key: str | None, data_dir: Path) -> ServiceAddress:
    directory = DataDirectory(data_dir)
    if server is not None:
        _check_url(server)
        server = server.rstrip("/")
    url = server or read_text(directory.server) or DEFAULT_ADDRESS
    # A key found here is for the service here: it is never shown to a server named otherwise.
    elsewhere = server if server and server != read_text(directory.server) else None
    key = key or (None if elsewhere else read_text(directory.admin_key))
    if key is None:
        raise NoKey(directory.admin_key, elsewhere=elsewhere)
    return ServiceAddress(url=url, key=key)


def _check_url(text: str) -> None:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise click.UsageError(
            f"The service's address is {text!r}, which is no URL. Write it like {DEFAULT_ADDRESS}"
            " (--server or EULERMAKER_URL)."
        )
