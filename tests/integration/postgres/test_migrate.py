"""Migrations are applied once, in order, by one starter; and they close the past to everybody."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from adapters.postgres.errors import MigrationError
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.migrate import Migration, migrate, shipped
from tests.support.appends import an_append
from tests.support.event_stores import Store, runner
from tests.support.postgres import PASSWORD, Database, PostgresServer

FIRST = Migration(1, "0001_first.sql", "CREATE TABLE log.first (id integer)")
SECOND = Migration(2, "0002_second.sql", "CREATE TABLE log.second (id integer)")
BROKEN = Migration(2, "0002_broken.sql", "CREATE TABLE log.half (id integer); SELECT 1 / 0")

REFUSED_TO_ALL = (
    "UPDATE log.events SET actor = 'nobody'",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "UPDATE log.receipts SET status = 'refused'",
    "DELETE FROM log.receipts",
    "TRUNCATE log.receipts",
)
REFUSED_TO_THE_SERVICE = (
    *REFUSED_TO_ALL,
    "INSERT INTO log.events SELECT * FROM log.events",
    "INSERT INTO log.receipts SELECT * FROM log.receipts",
    "UPDATE log.log_head SET position = 0",
    "ALTER TABLE log.events DISABLE TRIGGER ALL",
    "DROP TABLE log.events",
    "DROP FUNCTION log.append",
    "SET ROLE eulermaker_owner",
)


@pytest.fixture
def empty(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.empty_database() as url:
        yield url


@pytest.fixture
def with_an_event(database: Database) -> Database:
    async def fill(store: Store) -> None:
        await store.append(an_append("a"))

    runner(lambda: PostgresEventStore(database.service_url))(fill)
    return database


def _tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'log'")
        return {str(name) for (name,) in rows} - {"migrations"}


def test_each_migration_is_applied_once(empty: str) -> None:
    migrate(empty, migrations=[FIRST])
    migrate(empty, migrations=[SECOND, FIRST])
    migrate(empty, migrations=[FIRST, SECOND])
    assert _tables(empty) == {"first", "second"}


def test_racing_starters_apply_each_migration_once(empty: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        starters = [
            pool.submit(migrate, empty, service_password=PASSWORD, migrations=[FIRST, SECOND])
            for _ in range(4)
        ]
        for starter in starters:
            starter.result()
    assert _tables(empty) == {"first", "second"}


def test_a_failed_migration_leaves_nothing_of_itself(empty: str) -> None:
    with pytest.raises(MigrationError, match="division by zero"):
        migrate(empty, migrations=[FIRST, BROKEN])
    assert _tables(empty) == {"first"}
    migrate(empty, migrations=[FIRST, SECOND])


def test_a_changed_migration_is_refused(empty: str) -> None:
    migrate(empty, migrations=[FIRST])
    changed = Migration(1, FIRST.name, FIRST.sql + " ")
    with pytest.raises(MigrationError, match=r"0001_first\.sql.*not the one"):
        migrate(empty, migrations=[changed])


def test_a_database_of_a_newer_release_is_refused(empty: str) -> None:
    migrate(empty, migrations=[FIRST, SECOND])
    with pytest.raises(MigrationError, match="newer release"):
        migrate(empty, migrations=[FIRST])


def test_numbers_of_shipped_migrations_are_unique() -> None:
    numbers = [migration.number for migration in shipped()]
    assert len(numbers) == len(set(numbers))


def test_who_may_not_create_roles_is_told_what_to_ask_for(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.postgres.roles.SERVICE", "eulermaker_never_made")
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS eulermaker_poor")
        connection.execute("CREATE ROLE eulermaker_poor LOGIN PASSWORD 'poor'")
    url = make_conninfo(empty, user="eulermaker_poor", password="poor")
    with pytest.raises(MigrationError, match="CREATE ROLE"):
        migrate(url)


@pytest.mark.parametrize("statement", REFUSED_TO_ALL)
def test_not_even_a_superuser_changes_the_past_unawares(
    with_an_event: Database, statement: str
) -> None:
    with (
        with_an_event.as_owner() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="the past does not change"),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize("statement", REFUSED_TO_THE_SERVICE)
def test_the_service_may_only_read_and_append(with_an_event: Database, statement: str) -> None:
    with (
        psycopg.connect(with_an_event.service_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_reporting_sees_nothing_of_the_log_itself(with_an_event: Database) -> None:
    with (
        psycopg.connect(with_an_event.reporting_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT * FROM log.events")


def test_nobody_can_log_in_as_the_owner(database: Database) -> None:
    with database.as_owner() as connection:
        row = connection.execute(
            "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'eulermaker_owner'"
        ).fetchone()
    assert row == (False, False)
