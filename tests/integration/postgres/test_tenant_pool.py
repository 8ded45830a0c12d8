"""Whoever waits for a connection gets one as soon as there is one, and can be stopped."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from adapters.postgres.tenants import EVERY_TENANT, TenantConnection, TenantPool
from tests.support.postgres import Database
from tests.support.waiting import until

DEADLINE_SECONDS = 10.0
ATTEMPTS = 4
"""To connect, that both pools make before they give up."""
SIZE = 3
END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'eulermaker ended'
"""
ENDED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'eulermaker ended'"

Pool = AsyncConnectionPool[TenantConnection]


def test_a_cancellation_that_is_swallowed_while_a_connection_comes_is_not_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hold(pool: TenantPool) -> None:
        async with pool.connection("t"):
            await asyncio.Event().wait()

    async def body() -> None:
        really_get, asked = Pool.getconn, asyncio.Event()

        async def deaf(pool: Pool, seconds: float) -> TenantConnection:
            asked.set()
            with suppress(asyncio.CancelledError):  # as wait_for before Python 3.12
                await asyncio.Event().wait()
            return await really_get(pool, seconds)

        async with TenantPool(database.service_url, "tests", size=1) as pool:
            with monkeypatch.context() as patch:
                patch.setattr(AsyncConnectionPool, "getconn", deaf)
                task = asyncio.create_task(hold(pool))
                await asked.wait()
                task.cancel()
                await asyncio.wait({task}, timeout=DEADLINE_SECONDS)
            assert task.cancelled()
            async with asyncio.timeout(DEADLINE_SECONDS), pool.connection("t"):
                pass  # it came back

    asyncio.run(body())


def test_who_waits_alone_is_served_although_the_pool_has_given_up_connecting(
    database: Database,
) -> None:
    async def body() -> None:
        attempts = 0

        async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal attempts
            attempts += 1
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        # Encryption would be tried first, by attempts of its own.
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        url = make_conninfo(database.service_url, host="127.0.0.1", port=port, **plain)
        async with server, TenantPool(url, "tests", size=1) as pool:
            with pytest.raises(PoolTimeout):
                async with pool.connection(EVERY_TENANT):
                    pass
        assert attempts > ATTEMPTS

    asyncio.run(body())


def test_nobody_is_given_a_connection_that_the_server_has_ended(database: Database) -> None:
    async def body() -> None:
        async with TenantPool(database.service_url, "ended", size=SIZE) as pool:
            async with AsyncExitStack() as held:
                for _ in range(SIZE):
                    await held.enter_async_context(pool.connection("t"))
            with database.as_owner() as owner:
                assert owner.execute(END).rowcount >= SIZE
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await until(lambda: owner.execute(ENDED).fetchone() == (0,))
            for _ in range(SIZE):
                async with pool.connection("t") as connection:
                    await connection.execute("SELECT 1")

    asyncio.run(body())
