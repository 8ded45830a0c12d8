"""How long the rebuild of all read models takes, beside two yardsticks measured in the same run.

peer: the stock projection runner of `eventsourcing` (one event a transaction, the smallest view).
limit: reading and decoding the same log once, and a COPY of the final rows into equal tables.

    python -m ops.bench.rebuild [--events 200000] [--scale 10000 100000 1000000]
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from time import perf_counter
from typing import Any

import msgspec
import psycopg
import structlog
import uvloop
from psycopg.sql import SQL, Identifier

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.projection_check import verify_projections
from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.projection_tables import ProjectionTable
from adapters.postgres.tail import LogTail
from api.garbage import collect_less_often
from api.workers.projector import Projector
from domain.catalog import EVENT_TYPES
from domain.event import RecordedEvent
from ops.bench.ending import end_at_sigterm
from ops.bench.event_mix import START, facts
from ops.bench.stock_runner import stock_events_per_second
from projections.catalog import READ_MODELS
from tests.support.postgres import Database, PostgresServer, running_postgres

PAGE = 1_000
DEADLINE_SECONDS = 1_800
POLL_SECONDS = 0.1
TIMES_STOCK, OF_BARE = 50, 0.3

COPY_LOG = """
COPY log.events (position, tenant, stream, version, event_id, type, schema_version, data,
    recorded_at, occurred_at, command_id, correlation_id, actor, source_address, metadata,
    leaf, chain) FROM STDIN
"""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    events: int
    rebuild_seconds: float
    bare_seconds: float
    rows: int
    equal: bool

    def reached(self, stock: float) -> bool:
        speed = self.events / self.rebuild_seconds
        of_bare = self.bare_seconds / self.rebuild_seconds
        return self.equal and speed >= TIMES_STOCK * stock and of_bare >= OF_BARE


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=200_000)
    arguments.add_argument("--stock-events", type=int, default=3_000)
    arguments.add_argument("--scale", type=int, nargs="*", default=[])
    chosen = arguments.parse_args()
    end_at_sigterm()
    collect_less_often()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with running_postgres() as url:
        server = PostgresServer(url)
        smallest, stock = _stock(server, chosen.stock_events)
        print(
            f"stock runner: {stock:,.0f} events/s with our read models,"
            f" {smallest:,.0f} events/s with the smallest view there can be"
        )
        reached = True
        for events in (chosen.events, *chosen.scale):
            with server.fresh_database() as fresh:
                found = measure(fresh, events)
                _print(found, stock)
                reached = reached and found.reached(stock)
    sys.exit(0 if reached else 1)


def _stock(server: PostgresServer, events: int) -> tuple[float, float]:
    with server.fresh_database() as source, server.empty_database() as database:
        fill(source, events)
        return stock_events_per_second(database, asyncio.run(_recorded(source, events)))


async def _recorded(database: Database, events: int) -> Sequence[RecordedEvent]:
    store = PostgresEventStore(database.service_url)
    await store.start()
    recorded = await store.read_log(0, limit=events)
    await store.stop()
    return recorded


def _print(found: Figures, stock: float) -> None:
    speed = found.events / found.rebuild_seconds
    print(
        f"{found.events:>9,} events -> {found.rows:,} rows:"
        f" rebuild {found.rebuild_seconds:.1f} s, {speed:,.0f} events/s,"
        f" {1e6 / speed:.0f} us/event | {speed / stock:.0f}x stock (to reach {TIMES_STOCK})"
        f" | bare {found.bare_seconds:.1f} s, {found.bare_seconds / found.rebuild_seconds:.2f}"
        f" of it (to reach {OF_BARE}) | rows equal to the log: {found.equal}",
        flush=True,
    )


def measure(database: Database, events: int) -> Figures:
    fill(database, events)
    uvloop.run(_build_first(database))
    bare = uvloop.run(_bare(database))
    rebuild = uvloop.run(_rebuild(database, events))
    equal = asyncio.run(verify_projections(database.service_url)).equal
    with database.as_owner() as connection:
        rows = sum(_count(connection, ProjectionTable(model, 1)) for model in READ_MODELS)
    return Figures(
        events=events, rebuild_seconds=rebuild, bare_seconds=bare, rows=rows, equal=equal
    )


def fill(database: Database, events: int) -> None:
    """Past the append: it has a bench of its own. Hashes are left out, nothing here reads them."""
    versions: Counter[str] = Counter()
    with database.as_owner() as connection:
        with connection.cursor() as cursor, cursor.copy(COPY_LOG) as copy:
            for position, (stream, event) in enumerate(facts(events), 1):
                versions[stream] += 1
                copy.write_row(_log_row(position, stream, versions[stream], event))
        connection.execute("UPDATE log.log_head SET position = %s", [events])
        connection.execute("VACUUM ANALYZE log.events")


def _log_row(position: int, stream: str, version: int, event: Any) -> tuple[object, ...]:
    identity = f"00000000-0000-7000-8000-{position:012x}"
    at = START + timedelta(milliseconds=50 * position)
    nothing = bytes(32)
    return (
        position,
        "default",
        stream,
        version,
        identity,
        type(event).__name__,
        event.schema_version,
        EVENT_TYPES.encode(event),
        at,
        at,
        f"0192{identity[4:]}",
        identity,
        "key:0192aaaa-0000-7000-8000-000000000001",
        "192.0.2.1",
        "{}",
        nothing,
        nothing,
    )


@asynccontextmanager
async def _projecting(database: Database) -> AsyncGenerator[ProjectionRegistry]:
    url = database.service_url
    store = PostgresEventStore(url)
    tail = LogTail(url, store)
    registry = ProjectionRegistry(url)
    await registry.ensure()
    projector = Projector(url, tail, scan_seconds=POLL_SECONDS)
    await store.start()
    await tail.start()
    await projector.start()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield registry
    finally:
        await projector.stop()
        await tail.stop()
        await store.stop()


async def _build_first(database: Database) -> None:
    async with _projecting(database) as registry:
        while any(  # noqa: ASYNC110 - the database has no event for us
            status.lag for status in await registry.list_statuses()
        ):
            await asyncio.sleep(POLL_SECONDS)


async def _rebuild(database: Database, events: int) -> float:
    """From the request until each new version is complete, with its indexes."""
    async with _projecting(database) as registry:
        began = perf_counter()
        for model in READ_MODELS:
            await registry.rebuild(model.name)
        while True:
            found = [s for s in await registry.list_statuses() if s.state == "ready"]
            if len(found) == len(READ_MODELS):
                assert all(status.position == events for status in found)
                return perf_counter() - began
            await asyncio.sleep(POLL_SECONDS)


async def _bare(database: Database) -> float:
    rows = {model.name: _copy_out(database, model.name) for model in READ_MODELS}
    began = perf_counter()
    store = PostgresEventStore(database.service_url)
    await store.start()
    after = 0
    while events := await store.read_log(after, limit=PAGE):
        after = events[-1].position
    await store.stop()
    read = perf_counter() - began
    return read + _copy_in(database, rows)


def _copy_out(database: Database, name: str) -> Sequence[bytes]:
    out = SQL("COPY {} TO STDOUT (FORMAT binary)").format(_table(name, "v1"))
    with (
        database.as_owner() as connection,
        connection.cursor() as cursor,
        cursor.copy(out) as copy,
    ):
        return [bytes(piece) for piece in copy]


def _copy_in(database: Database, rows: dict[str, Sequence[bytes]]) -> float:
    with database.as_owner() as connection:
        for name in rows:
            like = SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)")
            connection.execute(like.format(_table(name, "bare"), _table(name, "v1")))
        began = perf_counter()
        for name, pieces in rows.items():
            with connection.cursor() as cursor:
                into = SQL("COPY {} FROM STDIN (FORMAT binary)")
                with cursor.copy(into.format(_table(name, "bare"))) as copy:
                    for piece in pieces:
                        copy.write(piece)
        took = perf_counter() - began
        for name in rows:
            connection.execute(SQL("DROP TABLE {}").format(_table(name, "bare")))
    return took


def _table(name: str, suffix: str) -> Identifier:
    return Identifier("read_models", f"{name}_{suffix}")


def _count(connection: psycopg.Connection, table: ProjectionTable) -> int:
    row = connection.execute(table.checksum).fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main()
