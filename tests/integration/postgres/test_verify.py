"""Whoever owns the database can change every byte; `verify` says where it was done."""

# ruff: noqa: S608 - this is the attacker

import asyncio

import msgspec
import psycopg
import pytest

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.hashing import GENESIS, chain_hash, micros
from adapters.postgres.verify import LogReport, verify_log
from domain.application.command_handler import CommandHandler
from domain.containers.commands import StartContainer
from domain.errors import Refusal
from domain.event import LogHead
from tests.support.appends import a_context, an_append, an_event
from tests.support.event_stores import Store, runner
from tests.support.postgres import Database

EVENTS = 12
PAGE_SIZE = 5
"""So that damage falls within, before and behind the borders of pages."""

REFUSED_AT = EVENTS + 1
LEAST = -(2**63)

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
    "recorded after all that can be counted": "recorded_at = '294276-12-31'",
    "occurred_at": "occurred_at = occurred_at - interval '1 microsecond'",
    "never occurred": "occurred_at = '-infinity'",
    "occurred after all that can be counted": "occurred_at = '294276-12-31'",
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


@pytest.fixture
def varied_log(log: Database) -> Database:
    """And then a refused command, deliveries of it and of others again, and one without events."""

    async def fill(store: Store) -> None:
        for _ in range(2):
            with pytest.raises(Refusal):
                await CommandHandler(store).refuse(
                    StartContainer(container_id="c-1"),
                    a_context("refused"),
                    Refusal(rule="only-once", state="started", advice="It is started."),
                )
            await store.append(an_append("s-1", command_id="again"))
            nothing = an_append("s-1", command_id="nothing")
            await store.append(msgspec.structs.replace(nothing, events=()))

    runner(lambda: PostgresEventStore(log.service_url))(fill)
    return log


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


def test_a_log_of_commands_that_came_to_different_ends_is_whole(varied_log: Database) -> None:
    report = _verify(varied_log)
    assert report.damage is None
    assert report.position == REFUSED_AT + 1


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


@pytest.mark.parametrize(
    ("occasions", "function"),
    [
        ("DELETE ON log.events", "refuse_change"),
        ("UPDATE OF stream OR DELETE OR TRUNCATE ON log.events", "refuse_change"),
        ("UPDATE OR DELETE OR TRUNCATE ON log.events WHEN (false)", "refuse_change"),
        ("UPDATE OR DELETE OR TRUNCATE ON log.events", "let_change"),
    ],
)
def test_a_guard_that_guards_less_is_told(
    database: Database, occasions: str, function: str
) -> None:
    with database.as_owner() as connection:
        _run(connection, _function_that_lets_change("let_change"))
        _run(
            connection,
            f"CREATE OR REPLACE TRIGGER events_never_change BEFORE {occasions}"
            f" EXECUTE FUNCTION log.{function}()",
        )
    (warning,) = _verify(database).warnings
    assert "events_never_change is not what the migrations made" in warning


def test_guards_whose_function_is_another_are_told(database: Database) -> None:
    with database.as_owner() as connection:
        _run(connection, _function_that_lets_change("refuse_change"))
    events, receipts = _verify(database).warnings
    assert "events_never_change is not what the migrations made" in events
    assert "receipts_never_change is not what the migrations made" in receipts


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


@pytest.mark.parametrize(
    ("change", "position"),
    [
        ("first_position = 0", 1),
        ("first_position = 0 WHERE first_position = 5", 5),
        ("first_position = -1 WHERE first_position = 5", 5),
        (f"first_position = {LEAST} WHERE first_position = 5", 5),
        (f"version = {LEAST} WHERE first_position = 5", 5),
        ("status = 'accepted' WHERE status = 'refused'", REFUSED_AT),
        ("status = 'refused' WHERE status = 'accepted'", 1),
        ("status = 'refused' WHERE first_position = 5", 5),
        ("status = 'refused' WHERE command_id = 'nothing'", 0),
        ("first_position = -1 WHERE command_id = 'nothing'", -1),
        (f"first_position = {LEAST} WHERE command_id = 'nothing'", LEAST),
        ("last_position = 5 WHERE command_id = 'nothing'", 0),
        ("first_position = 7, last_position = 6 WHERE command_id = 'nothing'", 7),
    ],
)
def test_a_changed_receipt_is_found_with_and_without_a_checkpoint(
    varied_log: Database, change: str, position: int
) -> None:
    checkpoint = _head(varied_log)
    with varied_log.as_owner() as connection:
        _run(connection, f"UPDATE log.receipts SET {change}")
    assert _found(varied_log) == (position, "receipt")
    assert _found(varied_log, checkpoint) == (position, "receipt")


def _function_that_lets_change(name: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION log.{name}() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END;'"
    )


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
