"""Rows out of one database and into another: all of them, byte for byte, or nothing."""

import asyncio
import contextlib
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.table_copies import (
    DERIVED_SCHEMAS,
    SCHEMAS,
    CopiedDatabase,
    NotEmpty,
    check_empty,
    copy_in,
    copy_out,
    snapshot,
)
from adapters.postgres.verify import LogReport, verify_log
from tests.support.appends import an_append
from tests.support.postgres import Database, PostgresServer

OURS = """
SELECT nspname FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
"""


def no_progress(table: str, done: int) -> None:
    del table, done


async def _recorded(url: str) -> None:
    store = PostgresEventStore(url)
    await store.start()
    try:
        for _ in range(3):
            await store.append(an_append())
    finally:
        await store.stop()


def copied(database: Database, directory: Path) -> CopiedDatabase:
    with snapshot(database.owner_url) as connection:
        return copy_out(connection, directory, no_progress)


def verified(url: str) -> LogReport:
    return asyncio.run(verify_log(url))


def test_every_schema_is_either_copied_or_derived_again(database: Database) -> None:
    with contextlib.closing(database.as_owner()) as connection:
        found = {name for (name,) in connection.execute(OURS)}
    assert found <= {*SCHEMAS, *DERIVED_SCHEMAS}


def test_a_copy_is_the_same_log(
    database: Database, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    asyncio.run(_recorded(database.service_url))
    copy = copied(database, tmp_path)
    with postgres_server.empty_database() as url:
        copy_in(url, copy, tmp_path, no_progress)
        assert verified(url) == verified(database.owner_url)
        assert verified(url).position == copy.head.position == 3


def test_a_copy_goes_on_where_the_log_ended(
    database: Database, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    asyncio.run(_recorded(database.service_url))
    copy = copied(database, tmp_path)
    with postgres_server.empty_database() as url:
        copy_in(url, copy, tmp_path, no_progress)
        asyncio.run(_recorded(url))
        report = verified(url)
    assert (report.damage, report.position) == (None, 6)


def test_a_copy_keeps_who_may_read_whose_reports(
    database: Database, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with contextlib.closing(database.as_owner()) as connection:
        connection.execute("INSERT INTO reporting.readers VALUES ('acme_reports', 'acme')")
    copy = copied(database, tmp_path)
    with postgres_server.empty_database() as url:
        copy_in(url, copy, tmp_path, no_progress)
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT role, tenant FROM reporting.readers ORDER BY 1")
            assert found.fetchall() == [
                ("acme_reports", "acme"),
                ("eulermaker_reporting", "default"),
            ]


def test_a_database_that_was_used_is_left_alone(database: Database, tmp_path: Path) -> None:
    asyncio.run(_recorded(database.service_url))
    copy = copied(database, tmp_path)
    with pytest.raises(NotEmpty):
        check_empty(database.owner_url)
    with pytest.raises(NotEmpty):
        copy_in(database.owner_url, copy, tmp_path, no_progress)
    assert verified(database.owner_url).damage is None


def test_a_copy_that_breaks_off_leaves_an_empty_log(
    database: Database, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    asyncio.run(_recorded(database.service_url))
    copy = copied(database, tmp_path)
    broken = tmp_path / copy.tables[-1].file
    broken.write_bytes(b"no\trow\tof\tours\n")
    with postgres_server.empty_database() as url:
        with pytest.raises(psycopg.Error):
            copy_in(url, copy, tmp_path, no_progress)
        check_empty(url)
