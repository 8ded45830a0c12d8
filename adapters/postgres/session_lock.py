"""One worker at a time, by a session advisory lock: it ends with the connection that holds it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psycopg
from psycopg.sql import SQL, Identifier

from adapters.postgres.connections import AsyncConnection, connect
from domain.errors import StoreUnavailable

LOCK_CLASS = 0x65756C72  # "eulr"
RETRY_SECONDS = 0.5
PROBE_SECONDS = 5.0


class HeldLock:
    """We are the one. Notifications on the lock's own connection wake its holder."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._failure: Exception | None = None

    @property
    def lost(self) -> bool:
        return self._failure is not None

    async def wait(self, timeout_seconds: float) -> None:
        """Until a notification or the timeout. Raises StoreUnavailable once the lock is lost."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()
        if self._failure is not None:
            raise StoreUnavailable("The lock of this worker is lost.") from self._failure

    async def watch(self, connection: AsyncConnection) -> None:
        try:
            while True:
                async for _ in connection.notifies(timeout=PROBE_SECONDS, stop_after=1):
                    self._woken.set()
                await connection.execute("SELECT 1")
        except Exception as error:  # noqa: BLE001 - whatever it is: nobody watches any more
            self._failure = error
            self._woken.set()


@asynccontextmanager
async def session_lock(
    url: str, name: str, *, channel: str | None = None
) -> AsyncGenerator[HeldLock]:
    """Enter waits for the lock of this name, as long as it takes. Raises StoreUnavailable."""
    try:
        connection = await connect(url, f"{name} lock")
    except psycopg.Error as error:
        raise StoreUnavailable("The database cannot be reached now.") from error
    watcher: asyncio.Task[None] | None = None
    try:
        await _acquire(connection, name)
        if channel is not None:
            await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
        held = HeldLock()
        watcher = asyncio.create_task(held.watch(connection), name=f"{name} lock")
        yield held
    except psycopg.Error as error:
        raise StoreUnavailable("The database cannot be reached now.") from error
    finally:
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        await connection.close()


async def _acquire(connection: AsyncConnection, name: str) -> None:
    while True:
        cursor = await connection.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCK_CLASS, name]
        )
        row = await cursor.fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(RETRY_SECONDS)
