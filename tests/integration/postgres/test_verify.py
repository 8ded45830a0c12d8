"""Whoever owns the database can change every byte; `verify` says where it was done."""

# ruff: noqa: S608 - this is the attacker

import asyncio

import psycopg
import pytest

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.hashing import GENESIS, chain_hash, micros
from adapters.postgres.verify import LogReport, verify_log
from domain.event import LogHead
from tests.support.appends import an_append, an_event
from tests.support.event_stores import Store, runner
from tests.support.postgres import Database

EVENTS = 12
PAGE_SIZE = 5
"""So that damage falls within, before and behind the borders of pages."""

CHANGES = {
    "tenant": "tenant = 'other'",
    "stream": "stream = stream || 'x'",
    "version": "version = version + 100",
    "event_id": "event_id = gen_random_uuid()",
    "type": "type = 'BuildSucceeded'",
    "schema_version": "schema_version = 2",
    "data": "data = set_byte(data, 3, 255)",
    "last byte of data": "data = set_byte(data, length(data) - 1, 0)",
    "recorded_at": "recorded_at = recorded_at + interval '1 microsecond'",
    "never recorded": "recorded_at = 'infinity'",
    "occurred_at": "occurred_at = occurred_at - interval '1 microsecond'",
    "never occurred": "occurred_at = '-infinity'",
    "command_id": "command_id = 'other'",
    "correlation_id": "correlation_id = 'other'",
    "causation_id": "causation_id = 'other'",
    "actor": "actor = 'key:somebody-else'",
    "source_address": "source_address = '192.0.2.1'",
    "traceparent": "traceparent = ''",
    "metadata": "metadata = '{} '",
    "hash_version": "hash_version = 2",
    "key_id": "key_id = 'key'",
    "leaf": "leaf = set_byte(leaf, 0, get_byte(leaf, 0) # 1)",
    "last byte of leaf": "leaf = set_byte(leaf, 31, get_byte(leaf, 31) # 128)",
    "chain": "chain = set_byte(chain, 31, get_byte(chain, 31) # 1)",
    "null for empty": "causation_id = ''",
}


@pytest.fixture
def log(database: Database) -> Database:
    """EVENTS events in three streams; the guards are off, as an attacker would have them."""

    async def fill(store: Store) -> None:
        for number in range(0, EVENTS, 2):
            await store.append(an_append(f"s-{number % 3}", an_event("a"), an_event("b")))

    runner(lambda: PostgresEventStore(database.service_url))(fill)
    with database.as_owner() as connection:
        connection.execute("ALTER TABLE log.events DISABLE TRIGGER events_never_change")
        connection.execute("ALTER TABLE log.receipts DISABLE TRIGGER receipts_never_change")
    return database


def _verify(log: Database, checkpoint: LogHead | None = None) -> LogReport:
    return asyncio.run(verify_log(log.service_url, checkpoint=checkpoint, page_size=PAGE_SIZE))


def _head(log: Database) -> LogHead:
    report = _verify(log)
    return LogHead(position=report.position, chain=report.chain)


def _found(log: Database, checkpoint: LogHead | None = None) -> tuple[int, str]:
    damage = _verify(log, checkpoint).damage
    assert damage is not None
    return damage.position, damage.kind


def test_an_honest_log_is_whole(log: Database) -> None:
    report = _verify(log)
    assert report.damage is None
    assert report.position == EVENTS
    assert _verify(log, _head(log)).damage is None


def test_an_empty_log_is_whole(database: Database) -> None:
    assert _verify(database) == LogReport(position=0, chain=GENESIS)


def test_guards_that_are_off_are_told(database: Database) -> None:
    assert _verify(database).warnings == ()
    with database.as_owner() as connection:
        _run(connection, "ALTER TABLE log.receipts DISABLE TRIGGER receipts_never_change")
        _run(connection, "DROP TRIGGER events_never_change ON log.events")
    events, receipts = _verify(database).warnings
    assert "events_never_change" in events
    assert "receipts_never_change" in receipts


def test_progress_is_told_page_by_page(log: Database) -> None:
    told: list[tuple[int, int]] = []
    asyncio.run(
        verify_log(
            log.service_url,
            page_size=PAGE_SIZE,
            on_progress=lambda position, last: told.append((position, last)),
        )
    )
    assert told == [(5, EVENTS), (10, EVENTS), (EVENTS, EVENTS)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_field_is_found_where_it_is(log: Database, change: str) -> None:
    with log.as_owner() as connection:
        _run(connection, "CREATE TEMP TABLE honest AS TABLE log.events")
        for position in (1, 6, EVENTS):
            _run(connection, f"UPDATE log.events SET {CHANGES[change]} WHERE position = {position}")
            assert _found(log)[0] == position
            _run(connection, "DELETE FROM log.events")
            _run(connection, "INSERT INTO log.events TABLE honest")
    assert _verify(log).damage is None


@pytest.mark.parametrize("position", [1, 5, 6, EVENTS])
def test_a_deleted_event_is_missed_where_it_was(log: Database, position: int) -> None:
    with log.as_owner() as connection:
        _run(connection, f"DELETE FROM log.events WHERE position = {position}")
    assert _found(log) == (position, "missing")


def test_a_deleted_event_is_found_although_the_others_moved_up(log: Database) -> None:
    with log.as_owner() as connection:
        _run(connection, "DELETE FROM log.events WHERE position = 4")
        for position in range(5, EVENTS + 1):
            _run(
                connection,
                f"UPDATE log.events SET position = {position - 1} WHERE position = {position}",
            )
    assert _found(log) == (4, "chain")


def test_an_inserted_event_is_found(log: Database) -> None:
    with log.as_owner() as connection:
        for position in range(EVENTS, 6, -1):
            _run(
                connection,
                f"UPDATE log.events SET position = {position + 1} WHERE position = {position}",
            )
        _copy(connection, 3, position=7, version=90)
    assert _found(log) == (7, "chain")


@pytest.mark.parametrize(("position", "found"), [(0, "inserted"), (EVENTS + 1, "chain")])
def test_an_event_put_at_an_end_is_found(log: Database, position: int, found: str) -> None:
    with log.as_owner() as connection:
        _copy(connection, 3, position=position, version=90)
    assert _found(log) == (position, found)


def test_swapped_events_are_found_at_the_first(log: Database) -> None:
    with log.as_owner() as connection:
        for old, new in ((3, 99), (8, 3), (99, 8)):
            _run(connection, f"UPDATE log.events SET position = {new} WHERE position = {old}")
    assert _found(log) == (3, "chain")


def test_a_cut_tail_is_seen_by_the_head(log: Database) -> None:
    with log.as_owner() as connection:
        _run(connection, "DELETE FROM log.events WHERE position > 9")
    assert _found(log) == (10, "missing")


def test_a_cut_tail_with_the_head_moved_back_is_seen_by_the_checkpoint(log: Database) -> None:
    checkpoint = _head(log)
    with log.as_owner() as connection:
        _truncate(connection, 8)
    assert _verify(log).damage is None
    assert _found(log, checkpoint) == (9, "truncated")


def test_a_rewritten_history_with_all_hashes_is_seen_by_the_checkpoint(log: Database) -> None:
    checkpoint = _head(log)
    with log.as_owner() as connection:
        _run(connection, "UPDATE log.events SET recorded_at = recorded_at - interval '1 hour'")
        _rehash(connection)
    assert _verify(log).damage is None
    assert _found(log, checkpoint) == (EVENTS, "rewritten")


def test_a_checkpoint_of_the_past_stays_good(log: Database) -> None:
    checkpoint = _head(log)

    async def go_on(store: Store) -> None:
        await store.append(an_append("more"))

    runner(lambda: PostgresEventStore(log.service_url))(go_on)
    assert _verify(log, checkpoint).damage is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("UPDATE log.log_head SET chain = sha256('x')", "head"),
        ("UPDATE log.log_head SET position = 11", "head"),
        ("DELETE FROM log.receipts WHERE first_position = 5", "receipt"),
        ("UPDATE log.receipts SET stream = 'x' WHERE first_position = 5", "receipt"),
        ("UPDATE log.receipts SET last_position = 7 WHERE first_position = 5", "receipt"),
        (
            "INSERT INTO log.receipts VALUES ('default', 'new', '', 'accepted', 's-0', 1, 2, 2)",
            "receipt",
        ),
    ],
)
def test_records_beside_the_chain_must_agree_with_it(log: Database, change: str, kind: str) -> None:
    with log.as_owner() as connection:
        _run(connection, change)
    assert _found(log)[1] == kind


def _run(connection: psycopg.Connection, statement: str) -> None:
    connection.execute(statement.encode())


def _copy(connection: psycopg.Connection, source: int, *, position: int, version: int) -> None:
    _run(connection, "CREATE TEMP TABLE forged AS TABLE log.events")
    _run(
        connection,
        f"UPDATE forged SET position = {position}, version = {version} WHERE position = {source}",
    )
    _run(connection, f"INSERT INTO log.events SELECT * FROM forged WHERE position = {position}")


def _truncate(connection: psycopg.Connection, last: int) -> None:
    _run(connection, f"DELETE FROM log.events WHERE position > {last}")
    _run(connection, f"DELETE FROM log.receipts WHERE first_position > {last}")
    _run(
        connection,
        "UPDATE log.log_head SET (position, chain) ="
        " (SELECT position, chain FROM log.events ORDER BY position DESC LIMIT 1)",
    )


def _rehash(connection: psycopg.Connection) -> None:
    chain = GENESIS
    rows = connection.execute(
        "SELECT position, version, recorded_at, leaf FROM log.events ORDER BY position"
    ).fetchall()
    for position, version, recorded_at, leaf in rows:
        chain = chain_hash(chain, position, version, micros(recorded_at), leaf)
        connection.execute(
            "UPDATE log.events SET chain = %s WHERE position = %s", [chain, position]
        )
    connection.execute("UPDATE log.log_head SET chain = %s", [chain])
