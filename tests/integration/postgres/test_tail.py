"""Everybody sees every event, in order, whatever happens to the listener."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest
from structlog.testing import capture_logs

from adapters.memory.event_store import InMemoryEventStore
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.tail import LogTail
from domain.errors import StoreUnavailable
from domain.event import LogHead
from tests.support.appends import an_append, an_event
from tests.support.postgres import Database, PostgresServer
from tests.support.waiting import until

DEADLINE_SECONDS = 30.0
NEVER_SECONDS = 3_600.0


@asynccontextmanager
async def _tailed(
    database: Database,
    *,
    poll: float = NEVER_SECONDS,
    capacity: int = 10_000,
    store: PostgresEventStore | None = None,
) -> AsyncGenerator[tuple[PostgresEventStore, LogTail]]:
    store = store or PostgresEventStore(database.service_url)
    tail = LogTail(database.service_url, store, poll=poll, capacity=capacity)
    await store.start()
    await tail.start()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield store, tail
    finally:
        await tail.stop()
        await store.stop()


async def _listening(database: Database, *, instead_of: int = 0) -> int:
    """The listener's process id, once it listens."""
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'eulermaker log tail' AND query LIKE 'SELECT position%'"
        " AND state = 'idle'"
    )
    while True:
        with database.as_owner() as connection:
            row = connection.execute(query).fetchone()
        if row is not None and row[0] != instead_of:
            return int(row[0])
        await asyncio.sleep(0.01)


def test_a_new_event_wakes_all_who_wait(database: Database) -> None:
    async def body() -> None:
        async with _tailed(database) as (store, tail):
            await _listening(database)
            waiting = [asyncio.create_task(tail.wait(0, DEADLINE_SECONDS)) for _ in range(1_000)]
            receipt = await store.append(an_append("a"))
            assert set(await asyncio.gather(*waiting)) == {receipt.last_position}
            assert [event.position for event in await tail.read(0)] == [1]

    asyncio.run(body())


def test_wait_returns_at_its_time_when_nothing_comes(database: Database) -> None:
    async def body() -> None:
        async with _tailed(database) as (_, tail):
            assert await tail.wait(0, 0.05) == 0

    asyncio.run(body())


def test_a_lost_listener_is_replaced_and_misses_nothing(database: Database) -> None:
    async def body() -> None:
        async with _tailed(database) as (store, tail):
            first = await _listening(database)
            with database.as_owner() as connection:
                connection.execute("SELECT pg_terminate_backend(%s)", [first])
            await store.append(an_append("a"))
            assert await tail.wait(0, DEADLINE_SECONDS) == 1
            await _listening(database, instead_of=first)
            await store.append(an_append("a"))
            assert await tail.wait(1, DEADLINE_SECONDS) == 2

    asyncio.run(body())


def test_a_lost_notification_costs_no_more_than_a_poll(database: Database) -> None:
    """Events of a restored copy, for instance, come without one."""

    async def body() -> None:
        async with _tailed(database, poll=0.05) as (store, tail):
            await store.append(an_append("a"))
            assert await tail.wait(0, DEADLINE_SECONDS) == 1
            with database.as_owner() as connection:
                connection.execute(
                    "INSERT INTO log.events SELECT 2, tenant, stream, 2, event_id, type,"
                    " schema_version, data, recorded_at, occurred_at, command_id, correlation_id,"
                    " causation_id, actor, source_address, traceparent, metadata, hash_version,"
                    " key_id, leaf, chain FROM log.events"
                )
            assert await tail.wait(1, DEADLINE_SECONDS) == 2

    asyncio.run(body())


def test_recent_events_are_read_from_memory_and_old_ones_from_the_log(database: Database) -> None:
    async def body() -> None:
        async with _tailed(database, capacity=10) as (store, tail):
            await _listening(database)
            for _ in range(5):
                await store.append(an_append("a", *(an_event() for _ in range(10))))
            while tail.position < 50:
                await tail.wait(tail.position, DEADLINE_SECONDS)
            assert await _positions(tail, 0, 25, 39) == [[1, 2, 3], [26, 27, 28], [40, 41, 42]]
            await store.stop()
            assert await _positions(tail, 40, 45, 49, 50) == [[41, 42, 43], [46, 47, 48], [50], []]
            with pytest.raises(StoreUnavailable):
                await tail.read(0)

    asyncio.run(body())


async def _positions(tail: LogTail, *afters: int) -> list[list[int]]:
    return [[event.position for event in await tail.read(after, limit=3)] for after in afters]


def test_stop_is_safe_twice_and_before_start(database: Database) -> None:
    async def body() -> None:
        tail = LogTail(database.service_url, InMemoryEventStore())
        await tail.stop()
        await tail.start()
        await tail.stop()
        await tail.stop()

    asyncio.run(body())


def test_the_tail_waits_for_a_database_that_is_away() -> None:
    async def body() -> None:
        tail = LogTail("postgresql://nobody@127.0.0.1:1/none", InMemoryEventStore())
        await tail.start()
        assert await tail.wait(0, 0.2) == 0
        await tail.stop()

    asyncio.run(body())


def test_the_tail_waits_quietly_for_the_migrations(postgres_server: PostgresServer) -> None:
    async def body(url: str) -> None:
        tail = LogTail(url, InMemoryEventStore())
        await tail.start()
        with capture_logs() as lines:
            assert await tail.wait(0, 0.5) == 0
        await tail.stop()
        assert lines == []

    with postgres_server.empty_database() as url:
        asyncio.run(body(url))


def test_a_shorter_log_after_a_restore_is_followed_from_its_end(database: Database) -> None:
    class Restored(InMemoryEventStore):
        position = 100

        async def head(self) -> LogHead:
            return msgspec.structs.replace(await super().head(), position=self.position)

    async def body() -> None:
        store = Restored()
        tail = LogTail(database.service_url, store)
        await tail.start()
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await tail.wait(0, DEADLINE_SECONDS) == 100
            pid = await _listening(database)
            store.position = 40
            with database.as_owner() as connection:
                connection.execute("SELECT pg_terminate_backend(%s)", [pid])
            await until(lambda: tail.position == store.position)
        await tail.stop()

    asyncio.run(body())


class StumblingStore(PostgresEventStore):
    """Fails once in a way that nobody has thought of."""

    has_stumbled = False

    async def head(self) -> LogHead:
        if not self.has_stumbled:
            self.has_stumbled = True
            raise ValueError("unforeseen")
        return await super().head()


def test_an_unforeseen_error_does_not_end_the_tail(database: Database) -> None:
    async def body() -> None:
        store = StumblingStore(database.service_url)
        async with _tailed(database, store=store) as (_, tail):
            await until(lambda: store.has_stumbled)
            receipt = await store.append(an_append("a"))
            assert await tail.wait(0, DEADLINE_SECONDS) == receipt.last_position

    asyncio.run(body())
