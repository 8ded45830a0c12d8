"""Durable events a second in bulk: commands of many events, several in flight, beside COPY.

COPY writes the same rows into a table of the same shape, with as many rows a transaction as ours
turned out to have; once from Python values, as any program would, and once from bytes that were
made before: the limit of the server itself.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import uvloop

from adapters.postgres.event_store import PostgresEventStore
from domain.builds.events import BuildCancelRequested
from domain.event import Append, CommandContext
from ops.bench.report import Section
from ops.bench.rounds import Compared
from tests.support.postgres import Database, PostgresServer, running_postgres

EVENTS = 500
IN_FLIGHT = 8
TO_REACH = 0.4
BODY = "x" * 50

COUNT_TRANSACTIONS = "SELECT count(DISTINCT xmin::text::bigint), count(*) FROM log.events"
PEER_TABLE = "CREATE TABLE log.copied (LIKE log.events INCLUDING ALL)"
COPY_OUT = "COPY (SELECT * FROM log.events WHERE position > {} AND position <= {}) TO STDOUT"
COPY_IN = "COPY log.copied FROM STDIN"
BINARY = " (FORMAT binary)"


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    commands, rounds = (40, 1) if quick else (200, 5)
    ours: list[float] = []
    values: list[float] = []
    prepared: list[float] = []
    rows_each = 0
    with running_postgres() as url:
        server = PostgresServer(url)
        for _ in range(rounds):
            with server.fresh_database() as database:
                ours.append(uvloop.run(_ours(database.service_url, commands)))
                rows_each = _rows_a_transaction(database)
                values.append(_copy_values(database, rows_each))
                prepared.append(_copy_prepared(database, rows_each))
    by_values, by_bytes = Compared(ours, values), Compared(ours, prepared)
    return Section(
        title="durable events a second in bulk, beside `COPY` with equal rows a transaction",
        to_reach=f"{TO_REACH} of `COPY`, even where its bytes were made beforehand",
        reached=by_bytes.ratio >= TO_REACH,
        lines=(
            (
                f"- ours: {by_values.our_median:,.0f} events/s; commands of {EVENTS} events,"
                f" {IN_FLIGHT} in flight, {rows_each:.0f} rows a transaction"
            ),
            (
                f"- `COPY` of these rows from Python values: {by_values.peer_median:,.0f} rows/s;"
                f" ratio {by_values.shown_ratio}"
            ),
            (
                f"- `COPY` of bytes made beforehand: {by_bytes.peer_median:,.0f} rows/s;"
                f" ratio {by_bytes.shown_ratio}"
            ),
            f"- {rounds} rounds of {commands * EVENTS:,} events, each in a new database",
        ),
    )


async def _ours(url: str, commands: int) -> float:
    store = PostgresEventStore(url)
    await store.start()
    await store.append(_command(1))
    left = iter(range(commands))

    async def caller() -> None:
        for _ in left:
            await store.append(_command(EVENTS))

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    elapsed = time.perf_counter() - began
    await store.stop()
    return commands * EVENTS / elapsed


def _command(events: int) -> Append:
    identity = str(uuid4())
    context = CommandContext(
        command_id=identity,
        correlation_id=identity,
        actor="key:bench",
        occurred_at=datetime.now(UTC),
    )
    event = BuildCancelRequested(build_id=identity, attempt=1, reason=BODY)
    return Append(
        context=context,
        stream=f"build-{identity}",
        expected_version=0,
        events=(event,) * events,
        fingerprint=bytes(32),
    )


def _rows_a_transaction(database: Database) -> int:
    with database.as_owner() as connection:
        found = connection.execute(COUNT_TRANSACTIONS).fetchone()
        connection.execute(PEER_TABLE)
    assert found is not None
    transactions, rows = found
    return int(rows) // int(transactions)


def _copy_values(database: Database, rows_each: int) -> float:
    with database.as_owner() as connection:
        found = connection.execute("SELECT * FROM log.events ORDER BY position").fetchall()
        began = time.perf_counter()
        for first in range(0, len(found), rows_each):
            with connection.cursor() as cursor, cursor.copy(COPY_IN) as copy:
                for row in found[first : first + rows_each]:
                    copy.write_row(row)
        elapsed = time.perf_counter() - began
        connection.execute("TRUNCATE log.copied")
    return len(found) / elapsed


def _copy_prepared(database: Database, rows_each: int) -> float:
    with database.as_owner() as connection:
        (rows,) = connection.execute("SELECT count(*) FROM log.events").fetchone() or (0,)
        pages = [_page(connection, first, rows_each) for first in range(0, rows, rows_each)]
        began = time.perf_counter()
        for page in pages:
            with connection.cursor() as cursor, cursor.copy(COPY_IN + BINARY) as copy:
                for piece in page:
                    copy.write(piece)
        elapsed = time.perf_counter() - began
    return float(rows / elapsed)


def _page(connection: psycopg.Connection, first: int, rows: int) -> Sequence[bytes]:
    out = COPY_OUT.format(first, first + rows) + BINARY
    with connection.cursor() as cursor, cursor.copy(out.encode()) as copy:
        return [b"".join(bytes(piece) for piece in copy)]
