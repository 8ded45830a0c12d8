"""A log store whose newest chunks are also in Redis, and whose readers are woken.

Bytes are shown once they are stored, never before.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from adapters.redis.live_tails import LiveTails
from domain.ports import LogChunk, LogEnd, LogStore, LogWakeUps


class ErasableLogStore(LogStore, Protocol):
    async def erase(self, tenant: str, subject: str) -> None: ...


class TailedLogs:
    """Implements `domain.ports.LogStore` around another one; raises what that one raises."""

    def __init__(self, store: ErasableLogStore, tails: LiveTails, wake_ups: LogWakeUps) -> None:
        self._store = store
        self._tails = tails
        self._wake_ups = wake_ups

    async def append(self, tenant: str, subject: str, chunks: Sequence[LogChunk]) -> None:
        await self._store.append(tenant, subject, chunks)
        await self._tails.push(tenant, subject, chunks)
        await self._wake_ups.notify(tenant, subject)

    async def close(self, tenant: str, subject: str) -> None:
        await self._store.close(tenant, subject)
        await self._wake_ups.notify(tenant, subject)

    async def mark_complete(self, tenant: str, subject: str, *, until: datetime) -> None:
        await self._store.mark_complete(tenant, subject, until=until)
        await self._wake_ups.notify(tenant, subject)

    async def end(self, tenant: str, subject: str) -> LogEnd:
        return await self._store.end(tenant, subject)

    async def read(
        self, tenant: str, subject: str, *, from_offset: int = 0, limit_bytes: int = 1_048_576
    ) -> Sequence[LogChunk]:
        newest = await self._tails.read(
            tenant, subject, from_offset=from_offset, limit_bytes=limit_bytes
        )
        if newest:
            return newest
        return await self._store.read(
            tenant, subject, from_offset=from_offset, limit_bytes=limit_bytes
        )

    async def erase(self, tenant: str, subject: str) -> None:
        await self._tails.drop(tenant, subject)
        await self._store.erase(tenant, subject)
        await self._wake_ups.notify(tenant, subject)
