"""Brings a database to this program's schema: numbered files, forward only, each applied once."""

import hashlib
import re
import time
from collections.abc import Iterable, Sequence
from importlib.resources import files

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier

from adapters.postgres.errors import MigrationError
from adapters.postgres.roles import OWNER, ensure_roles

LOCK = 0x65756C65726D  # one migrator at a time in a database
LOCK_WAIT = "60s"
CONNECT_SECONDS = 10
ROLE_ATTEMPTS = 10
NAME = re.compile(r"(\d{4})_\w+\.sql")

REGISTRY = """
CREATE SCHEMA IF NOT EXISTS log;
CREATE TABLE IF NOT EXISTS log.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(msgspec.Struct, frozen=True):
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped() -> Sequence[Migration]:
    found = [
        Migration(int(match[1]), entry.name, entry.read_text())
        for entry in files("adapters.postgres").joinpath("migrations").iterdir()
        if (match := NAME.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(
    owner_url: str,
    *,
    service_password: str | None = None,
    reporting_password: str | None = None,
    migrations: Iterable[Migration] | None = None,
) -> None:
    """Blocks. Safe to run from several starters at once; each file is one transaction.

    A role whose password is None keeps the one it has. Raises MigrationError.
    """
    try:
        with psycopg.connect(
            owner_url, autocommit=True, connect_timeout=CONNECT_SECONDS
        ) as connection:
            connection.execute(SQL("SET lock_timeout = {}").format(LOCK_WAIT))
            connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            _ensure_roles(connection, service_password, reporting_password)
            _apply(connection, shipped() if migrations is None else migrations)
    except psycopg.Error as error:
        raise MigrationError(f"The database could not be migrated: {error}") from error


def _ensure_roles(connection: psycopg.Connection, service: str | None, report: str | None) -> None:
    """Roles belong to the whole server: another database's migrator may be at them too."""
    for attempt in range(ROLE_ATTEMPTS):
        try:
            ensure_roles(connection, service, report)
        except (psycopg.errors.InternalError_, psycopg.errors.UniqueViolation):
            if attempt + 1 == ROLE_ATTEMPTS:
                raise
            time.sleep(0.02 * (attempt + 1))
        else:
            return


def _apply(connection: psycopg.Connection, migrations: Iterable[Migration]) -> None:
    known = {migration.number: migration for migration in migrations}
    with connection.transaction():
        _become_owner(connection)
        connection.execute(REGISTRY)
    applied = _applied(connection)
    for number, (name, sha256) in applied.items():
        _check_unchanged(known.get(number), name, sha256)
    for number, migration in sorted(known.items()):
        if number not in applied:
            _apply_one(connection, migration)


def _applied(connection: psycopg.Connection) -> dict[int, tuple[str, str]]:
    with connection.transaction():
        _become_owner(connection)
        rows = connection.execute("SELECT number, name, sha256 FROM log.migrations").fetchall()
    return {number: (name, sha256) for number, name, sha256 in rows}


def _check_unchanged(known: Migration | None, name: str, sha256: str) -> None:
    if known is None:
        raise MigrationError(
            f"The database has the migration {name}, which this program does not know."
            " A newer release was here: run that one, or restore a backup made before it."
        )
    if known.sha256 != sha256:
        raise MigrationError(
            f"The migration {known.name} is not the one that was applied to this database"
            f" ({name}). Install the release again; its files were changed."
        )


def _apply_one(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        _become_owner(connection)
        connection.execute(migration.sql.encode())
        connection.execute(
            "INSERT INTO log.migrations (number, name, sha256) VALUES (%s, %s, %s)",
            [migration.number, migration.name, migration.sha256],
        )


def _become_owner(connection: psycopg.Connection) -> None:
    connection.execute(SQL("SET LOCAL ROLE {}").format(Identifier(OWNER)))
