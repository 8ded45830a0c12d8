"""All tables that hold what cannot be derived again, out of a database and into an empty one.

Read models are not among them: they are rebuilt from the log.
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
from psycopg.sql import SQL, Composed, Identifier

from adapters.postgres.errors import MigrationError
from adapters.postgres.hashing import GENESIS
from adapters.postgres.migrate import Migration, migrate, shipped
from adapters.postgres.roles import OWNER
from domain.event import LogHead

CONNECT_SECONDS = 10
SCHEMAS = ("access", "log", "logs", "reporting", "secrets", "work")
"""Of reporting, who reads whose reports: its views are made by migrations and projectors."""
DERIVED_SCHEMAS = ("read_models",)
REGISTRY = ("log", "migrations")
"""Written by the migrations themselves."""

TABLES = """
SELECT n.nspname, c.relname, array_agg(a.attname ORDER BY a.attnum)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind = 'r' AND n.nspname = ANY(%s)
GROUP BY 1, 2 ORDER BY 1, 2
"""
Progress = Callable[[str, int], None]
"""Called with a table and the bytes copied of it so far."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    schema: str
    name: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> Composed:
        return SQL("{}.{}").format(Identifier(self.schema), Identifier(self.name))

    @property
    def columns_sql(self) -> Composed:
        return SQL(", ").join(map(Identifier, self.columns))


class CopiedTable(msgspec.Struct, frozen=True, kw_only=True):
    """file: its rows as COPY writes them, with their SHA-256."""

    table: Table
    file: str
    bytes: int
    sha256: str


class CopiedDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """As of one moment. migrations: the numbers that had been applied."""

    head: LogHead
    migrations: tuple[int, ...]
    tables: tuple[CopiedTable, ...]


class NotEmpty(Exception):
    """The database holds a log already; nothing was changed."""


@contextmanager
def snapshot(owner_url: str) -> Generator[psycopg.Connection]:
    """Everything read in it is from one moment, however long that takes.

    That moment comes after the lock, which keeps every key that a stored secret needs in its file.
    """
    with psycopg.connect(owner_url, connect_timeout=CONNECT_SECONDS) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        become_owner(connection)
        connection.execute("LOCK TABLE secrets.vault IN ACCESS SHARE MODE")
        yield connection


def copy_out(connection: psycopg.Connection, directory: Path, progress: Progress) -> CopiedDatabase:
    return CopiedDatabase(
        head=_head(connection),
        migrations=tuple(sorted(_applied(connection))),
        tables=tuple(
            _copy_table_out(connection, table, directory, progress) for table in _tables(connection)
        ),
    )


def check_empty(owner_url: str) -> None:
    """Raises NotEmpty where something was recorded already."""
    with psycopg.connect(owner_url, connect_timeout=CONNECT_SECONDS) as connection:
        row = connection.execute("SELECT to_regclass('log.log_head') IS NULL").fetchone()
        if row == (True,):
            return
        become_owner(connection)
        _refuse_if_used(connection)


def copy_in(owner_url: str, copied: CopiedDatabase, directory: Path, progress: Progress) -> None:
    """In one transaction, into the schema of the time of the backup, which is then brought up to
    date. Raises NotEmpty, MigrationError."""
    migrate(owner_url, migrations=_migrations(copied.migrations))
    with psycopg.connect(owner_url, connect_timeout=CONNECT_SECONDS) as connection:
        become_owner(connection)
        _refuse_if_used(connection)
        for each in copied.tables:
            _copy_table_in(connection, each, directory / each.file, progress)
    migrate(owner_url)


def become_owner(connection: psycopg.Connection) -> None:
    connection.execute(SQL("SET ROLE {}").format(Identifier(OWNER)))


def _refuse_if_used(connection: psycopg.Connection) -> None:
    if _head(connection).position:
        raise NotEmpty("The database holds a log already.")


def _tables(connection: psycopg.Connection) -> Sequence[Table]:
    rows = connection.execute(TABLES, [list(SCHEMAS)]).fetchall()
    return [
        Table(schema=schema, name=name, columns=tuple(columns))
        for schema, name, columns in rows
        if (schema, name) != REGISTRY
    ]


def _head(connection: psycopg.Connection) -> LogHead:
    row = connection.execute("SELECT position, chain FROM log.log_head").fetchone()
    return LogHead(position=row[0], chain=row[1]) if row else LogHead(position=0, chain=GENESIS)


def _applied(connection: psycopg.Connection) -> Sequence[int]:
    rows = connection.execute("SELECT number FROM log.migrations").fetchall()
    return [number for (number,) in rows]


def _migrations(numbers: Sequence[int]) -> Sequence[Migration]:
    known = {migration.number: migration for migration in shipped()}
    unknown = sorted(set(numbers) - set(known))
    if unknown:
        raise MigrationError(
            f"The backup was made by a newer release: its migration {unknown[0]:04} is not known"
            " here. Restore it with that release."
        )
    return [known[number] for number in numbers]


def _copy_table_out(
    connection: psycopg.Connection, table: Table, directory: Path, progress: Progress
) -> CopiedTable:
    name = f"{table}.copy"
    digest = hashlib.sha256()
    count = 0
    query = SQL("COPY {} ({}) TO STDOUT").format(table.sql, table.columns_sql)
    with (
        (directory / name).open("wb") as file,
        connection.cursor() as cursor,
        cursor.copy(query) as copy,
    ):
        for block in copy:
            piece = bytes(block)
            file.write(piece)
            digest.update(piece)
            count += len(piece)
            progress(str(table), count)
    return CopiedTable(table=table, file=name, bytes=count, sha256=digest.hexdigest())


def _copy_table_in(
    connection: psycopg.Connection, copied: CopiedTable, path: Path, progress: Progress
) -> None:
    table = copied.table
    # What a migration put there stands in the backup, too. Not TRUNCATE: the log refuses it.
    if connection.execute(SQL("SELECT FROM {} LIMIT 1").format(table.sql)).rowcount:
        connection.execute(SQL("DELETE FROM {}").format(table.sql))
    query = SQL("COPY {} ({}) FROM STDIN").format(table.sql, table.columns_sql)
    count = 0
    with path.open("rb") as file, connection.cursor() as cursor, cursor.copy(query) as copy:
        while piece := file.read(1024 * 1024):
            copy.write(piece)
            count += len(piece)
            progress(str(table), count)
