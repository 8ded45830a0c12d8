"""Waiting until a read model has moved. One listener a process, only while somebody waits."""

import asyncio
from contextlib import suppress

import psycopg

from adapters.postgres.connections import connect
from adapters.postgres.projection_tables import CHANNEL

LINGER_SECONDS = 60.0
RECONNECT_SECONDS = 0.5


class ProjectionProgress:
    """A notification is a wake-up and nothing more: anybody may send one, any may be lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._moved = asyncio.Event()
        self._last_used = 0.0
        self._listener: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None

    def next(self) -> asyncio.Event:
        """Is set once something has moved after this call. Look at the position after it."""
        self._last_used = asyncio.get_running_loop().time()
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="projection progress")
        return self._moved

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() - self._last_used < LINGER_SECONDS:
            with suppress(psycopg.Error, OSError):
                await self._follow()
            self._wake()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        async with await connect(self._url, "projection progress") as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self._wake()
            while loop.time() - self._last_used < LINGER_SECONDS:
                async for _ in connection.notifies(timeout=5.0, stop_after=1):
                    self._wake()
                await connection.execute("SELECT 1")

    def _wake(self) -> None:
        """Everybody who waits now; whoever comes later gets a new event."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
