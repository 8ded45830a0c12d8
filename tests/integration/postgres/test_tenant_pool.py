"""Whoever waits for a connection can be stopped, whatever the pool makes of it."""

import asyncio
from contextlib import suppress

import pytest
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.tenants import TenantConnection, TenantPool
from tests.support.postgres import Database

DEADLINE_SECONDS = 10.0

Pool = AsyncConnectionPool[TenantConnection]


def test_a_cancellation_that_is_swallowed_while_a_connection_comes_is_not_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hold(pool: TenantPool) -> None:
        async with pool.connection("t"):
            await asyncio.Event().wait()

    async def body() -> None:
        really_get, asked = Pool.getconn, asyncio.Event()

        async def deaf(pool: Pool) -> TenantConnection:
            asked.set()
            with suppress(asyncio.CancelledError):  # as wait_for before Python 3.12
                await asyncio.Event().wait()
            return await really_get(pool)

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
