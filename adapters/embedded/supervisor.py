"""Start, attach to, watch and stop one server of a data directory: what both servers share."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, ClassVar

from adapters.embedded.accounts import Account, server_account
from adapters.embedded.connection import (
    Connection,
    new_connection,
    read_connection,
    with_free_port,
    write_private,
)
from adapters.embedded.errors import EmbeddedServerError
from adapters.embedded.processes import is_server, spawn, try_lock
from adapters.embedded.reach import open_data_directory

POLL_SECONDS = 0.02
ANSWER_SECONDS = 30.0
RECOVERY_SECONDS = 600.0
STOP_SECONDS = 60.0
ATTEMPTS = 3
LAST_WORDS_BYTES = 2000
SOCKET_PATH_BYTES = 100  # the kernel's limit is 107; the file name in it varies


class EmbeddedServer(ABC):
    """Whoever holds `server.lock` may start the server, and the server inherits it: so there is
    one server however many ask, and none beside the last processes of a killed one."""

    NAME: ClassVar[str]
    STOP_SIGNAL: ClassVar[signal.Signals]
    STOP_NOW_SIGNAL: ClassVar[signal.Signals]

    def __init__(self, data_dir: Path, home: str) -> None:
        self._data_dir = data_dir.resolve()
        self._home = self._data_dir / home
        self._data = self._home / "data"
        self._run = self._home / "run"
        self._output = self._home / "output.log"
        self._url_file = self._home / "url"
        self._process: subprocess.Popen[bytes] | None = None
        self._launches = 0
        self._refusal = ""

    def start(self) -> str:
        """The server's URL, once it answers; attaches if it runs already."""
        try:
            self._make_home()
            return self._start()
        except subprocess.TimeoutExpired as error:
            raise EmbeddedServerError(
                f"The embedded {self.NAME} was not ready in time: {error}. Is the machine"
                " overloaded or its disk stuck? Start again."
            ) from error
        except OSError as error:
            raise EmbeddedServerError(
                f"The embedded {self.NAME} cannot use {error.filename or self._home}:"
                f" {error.strerror or error}. Start as the owner of {self._data_dir}, or name"
                " another data directory."
            ) from error

    def is_running(self) -> bool:
        return self._pid() is not None

    def stop(self) -> None:
        """End the server in good order; harmless if it does not run."""
        for request in (self.STOP_SIGNAL, self.STOP_NOW_SIGNAL):
            pid = self._pid()
            if pid is None:
                return
            _signal(pid, request)
            if self._wait_until_gone():
                return
        raise EmbeddedServerError(
            f"The embedded {self.NAME} does not end: see process {self._pid()} and {self._output}."
        )

    @abstractmethod
    def _url(self, connection: Connection) -> str: ...

    @abstractmethod
    def _prepare(self, account: Account, connection: Connection, lock: int) -> list[str | Path]:
        """Make the data directory ready; returns the command that serves it."""

    @abstractmethod
    def _recorded_pid(self) -> int | None:
        """What the server's pid file says, true or not."""

    @abstractmethod
    def _identity(self) -> Path:
        """An argument no other server process has."""

    @abstractmethod
    def _answers(self, url: str) -> bool: ...

    def _is_recovering(self) -> bool:
        return False

    def _log_tail(self) -> str:
        return _tail(self._output)

    def _make_home(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        if self._home.stat().st_uid == os.geteuid():
            self._home.chmod(0o711 if os.geteuid() == 0 else 0o700)

    def _start(self) -> str:
        self._launches, self._refusal = 0, ""
        begun = quiet_since = time.monotonic()
        while True:
            if self.is_running():
                if (url := self._answering_url()) is not None:
                    return url
            else:
                self._try_launch()
            now = time.monotonic()
            if self._is_recovering():
                quiet_since = now
            if now - quiet_since > ANSWER_SECONDS or now - begun > RECOVERY_SECONDS:
                raise EmbeddedServerError(self._silence())
            time.sleep(POLL_SECONDS)

    def _answering_url(self) -> str | None:
        connection = read_connection(self._url_file)
        if connection is None:
            return None
        url = self._url(connection)
        return url if self._answers(url) else None

    def _try_launch(self) -> None:
        with try_lock(self._home / "server.lock") as lock:
            # The look at the pid was before the lock: another starter may have been faster.
            if lock is None or self.is_running():
                return
            if self._launches == ATTEMPTS:
                raise EmbeddedServerError(
                    f"The embedded {self.NAME} ends as soon as it is started."
                    f" Its last words were:\n{self._log_tail()}"
                )
            self._launches += 1
            self._launch(lock)

    def _launch(self, lock: int) -> None:
        account = server_account()
        open_data_directory(account, self._data_dir)
        connection = with_free_port(self._connection())
        write_private(self._url_file, self._url(connection) + "\n")
        own_directory(self._run, account)
        command = self._prepare(account, connection, lock)
        with _fresh_log(self._output) as output:
            self._process = spawn(account, command, lock=lock, output=output)

    def _connection(self) -> Connection:
        known = read_connection(self._url_file)
        if known is None and self._data.exists():
            raise EmbeddedServerError(
                f"{self._url_file} is missing, and with it the password of {self._data}."
                " Restore it from a backup."
            )
        return known or new_connection()

    def _pid(self) -> int | None:
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        pid = self._recorded_pid()
        if pid is None:
            return None
        try:
            owner = self._data.stat().st_uid
        except OSError:
            return None
        return pid if is_server(pid, self._identity(), owner) else None

    def _wait_until_gone(self) -> bool:
        deadline = time.monotonic() + STOP_SECONDS
        while self._pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _silence(self) -> str:
        pid = self._pid()
        if pid is None:
            return (
                f"Processes of an earlier {self.NAME} in {self._home} do not end"
                f" (`fuser {self._home}/server.lock` names them). End them, then start again."
            )
        reason = self._refusal or self._log_tail()
        return f"The embedded {self.NAME}, process {pid}, does not answer: {reason}"


def own_directory(path: Path, account: Account) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0 and path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.gid)


def _fresh_log(path: Path) -> IO[bytes]:
    """Keeps the previous one: it may say why the server died."""
    if path.exists():
        path.rename(path.with_suffix(".previous.log"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def fits_socket(directory: Path) -> bool:
    return len(os.fsencode(directory)) + len("/.s.PGSQL.65535") <= SOCKET_PATH_BYTES


def _tail(path: Path) -> str:
    try:
        text = path.read_bytes()[-LAST_WORDS_BYTES:]
    except OSError:
        return ""
    return text.decode(errors="replace").strip()


def _signal(pid: int, request: signal.Signals) -> None:
    try:
        os.kill(pid, request)
    except ProcessLookupError:
        return
