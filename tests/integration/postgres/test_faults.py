"""Lost connections, blocked tables, overload: what was acknowledged is stored exactly once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psycopg
import pytest

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.verify import verify_log
from domain.errors import StoreOverloaded, StoreUnavailable
from domain.event import Receipt
from tests.support.appends import an_append, an_event
from tests.support.postgres import Database
from tests.support.waiting import until

KILLS = 15
CALLERS = 100  # enough for two batches under way
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


@asynccontextmanager
async def _started(
    url: str, *, max_waiting: int = 1_000, grace_seconds: float = 10
) -> AsyncGenerator[PostgresEventStore]:
    store = PostgresEventStore(url, max_waiting=max_waiting, grace_seconds=grace_seconds)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


def test_killed_connections_lose_and_double_nothing(database: Database) -> None:
    receipts: list[Receipt] = []
    more = asyncio.Semaphore(0)
    done = asyncio.Event()

    async def caller(store: PostgresEventStore, number: int) -> None:
        for count in range(1_000_000):
            if done.is_set():
                return
            stream = f"s-{number}"
            receipts.append(await store.append(an_append(stream, an_event(), expected=count)))
            more.release()

    async def killer() -> None:
        for _ in range(KILLS):
            for _ in range(2 * CALLERS):
                await more.acquire()
            await asyncio.to_thread(_terminate, database, "eulermaker log %")
        done.set()

    async def body() -> None:
        async with _started(database.service_url) as store:
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                group.create_task(killer())
                for number in range(CALLERS):
                    group.create_task(caller(store, number))
            assert (await store.head()).position == len(receipts)
        positions = sorted(receipt.first_position for receipt in receipts)
        assert positions == list(range(1, len(receipts) + 1))
        assert (await verify_log(database.service_url)).damage is None

    asyncio.run(body())


def test_the_next_batch_is_on_its_way_while_postgresql_works_on_the_last(
    database: Database,
) -> None:
    async def body() -> None:
        async with _started(database.service_url) as store:
            await store.append(an_append("first"))
            with psycopg.connect(database.owner_url) as other:
                other.execute("SELECT position FROM log.log_head FOR UPDATE")
                appends = [
                    asyncio.create_task(store.append(an_append(f"s-{number}")))
                    for number in range(CALLERS)
                ]
                await asyncio.sleep(0)  # they are waiting now
                async with asyncio.timeout(4):
                    await until(lambda: store.waiting == 0)
                assert not any(append.done() for append in appends)
            receipts = await asyncio.wait_for(asyncio.gather(*appends), 10)
        assert [receipt.first_position for receipt in receipts] == list(range(2, CALLERS + 2))

    asyncio.run(body())


def test_without_a_database_callers_hear_it_in_time() -> None:
    async def body() -> None:
        async with _started(NOWHERE, grace_seconds=0.2) as store:
            answers = await asyncio.wait_for(
                asyncio.gather(
                    *(store.append(an_append(f"s-{number}")) for number in range(10)),
                    return_exceptions=True,
                ),
                timeout=10,
            )
            assert {type(answer) for answer in answers} == {StoreUnavailable}

    asyncio.run(body())


def test_a_database_that_comes_back_in_time_is_not_noticed(database: Database) -> None:
    async def body() -> None:
        with database.as_owner() as connection:
            name = connection.info.dbname
            with psycopg.connect(database.owner_url, dbname="postgres", autocommit=True) as other:
                other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
                async with _started(database.service_url) as store:
                    append = asyncio.create_task(store.append(an_append("a")))
                    await asyncio.sleep(0.1)
                    assert not append.done()
                    other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
                    assert (await asyncio.wait_for(append, 10)).first_position == 1

    asyncio.run(body())


def test_too_many_waiting_commands_are_turned_away(database: Database) -> None:
    async def body() -> None:
        async with _started(database.service_url, max_waiting=10) as store:
            answers = await asyncio.gather(
                *(store.append(an_append(f"s-{number}")) for number in range(30)),
                return_exceptions=True,
            )
            refused = sum(isinstance(answer, StoreOverloaded) for answer in answers)
            assert refused == 20
            assert (await store.head()).position == 10

    asyncio.run(body())


def test_stop_records_what_is_waiting_and_then_refuses(database: Database) -> None:
    async def body() -> None:
        async with _started(database.service_url) as store:
            waiting = [
                asyncio.create_task(store.append(an_append(f"s-{number}"))) for number in range(50)
            ]
            await asyncio.sleep(0)
            async with asyncio.timeout(5):  # half of the grace: nothing is waited for
                await store.stop()
            assert len(await asyncio.gather(*waiting)) == 50
            with pytest.raises(StoreUnavailable):
                await store.append(an_append("late"))

    asyncio.run(body())


def test_nobody_waits_for_a_store_whose_stop_was_cut_short(database: Database) -> None:
    async def body() -> None:
        async with _started(database.service_url) as store:
            await store.append(an_append("first"))

            def some(prefix: str, number: int) -> list[asyncio.Task[Receipt]]:
                appends = (store.append(an_append(f"{prefix}-{n}")) for n in range(number))
                return [asyncio.create_task(append) for append in appends]

            with psycopg.connect(database.owner_url) as other:
                other.execute("SELECT position FROM log.log_head FOR UPDATE")
                async with asyncio.timeout(4):
                    under_way = some("under-way", CALLERS)
                    await asyncio.sleep(0)
                    await until(lambda: store.waiting == 0)
                    waiting = some("waiting", 10)
                    await until(lambda: store.waiting == len(waiting))
                    stop = asyncio.create_task(store.stop())
                    await asyncio.sleep(0)
                    stop.cancel()
                    answers = await asyncio.gather(*under_way, *waiting, return_exceptions=True)
            assert {type(answer) for answer in answers} == {StoreUnavailable}

    asyncio.run(body())


def test_a_caller_that_gives_up_early_leaves_no_trace(database: Database) -> None:
    async def body() -> None:
        async with _started(database.service_url) as store:
            task = asyncio.create_task(store.append(an_append("gone")))
            await asyncio.sleep(0)
            task.cancel()
            assert (await store.append(an_append("stays"))).first_position == 1

    asyncio.run(body())


@pytest.mark.parametrize(
    "maintenance", ["ANALYZE log.events", "LOCK TABLE log.events IN SHARE UPDATE EXCLUSIVE MODE"]
)
def test_maintenance_in_an_open_transaction_blocks_nobody(
    database: Database, maintenance: str
) -> None:
    """The second is the lock that VACUUM takes, which refuses to run in a transaction."""

    async def body() -> None:
        async with _started(database.service_url) as store:
            await store.append(an_append("a"))
            with database.as_owner() as connection, connection.transaction():
                connection.execute(maintenance.encode())
                receipt = await asyncio.wait_for(store.append(an_append("a")), 5)
            assert receipt.version == 2

    asyncio.run(body())


def test_one_command_that_postgresql_refuses_fails_alone(database: Database) -> None:
    with database.as_owner() as connection:
        connection.execute(
            "ALTER TABLE log.events ADD CONSTRAINT no_poison CHECK (stream <> 'poison')"
        )

    async def body() -> None:
        async with _started(database.service_url) as store:
            answers = await asyncio.gather(
                *(store.append(an_append(stream)) for stream in ("a", "poison", "b")),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers] == [
                Receipt,
                psycopg.errors.CheckViolation,
                Receipt,
            ]
            assert (await store.head()).position == 2

    asyncio.run(body())


def test_a_statement_that_postgresql_ends_costs_nobody_the_connection(database: Database) -> None:
    async def body() -> None:
        async with _started(database.service_url) as store:
            await store.append(an_append("first"))
            before = _writer(database)
            with psycopg.connect(database.owner_url) as other:
                other.execute("SELECT position FROM log.log_head FOR UPDATE")
                append = asyncio.create_task(store.append(an_append("second")))
                await asyncio.to_thread(_cancel_when_blocked, database, before)
            assert (await asyncio.wait_for(append, 10)).first_position == 2
            assert _writer(database) == before

    asyncio.run(body())


def test_reads_survive_the_loss_of_every_connection(database: Database) -> None:
    async def body() -> None:
        async with _started(database.service_url) as store:
            await store.append(an_append("a"))
            await asyncio.gather(*(store.read_log(0) for _ in range(20)))
            _terminate(database, "eulermaker log %")
            assert len(await store.read_log(0)) == 1

    asyncio.run(body())


def _terminate(database: Database, name: str) -> None:
    with database.as_owner() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE %s",
            [name],
        )


def _writer(database: Database) -> int:
    """The process that serves the writer's connection."""
    with database.as_owner() as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'eulermaker log writer'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _cancel_when_blocked(database: Database, pid: int) -> None:
    query = "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted AND pid = %s"
    with database.as_owner() as connection:
        while connection.execute(query, [pid]).fetchone() is None:
            pass
