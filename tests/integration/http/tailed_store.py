"""The log in memory, followed as the log in PostgreSQL is."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from adapters.memory.event_store import InMemoryEventStore
from domain.catalog import EVENT_TYPES
from domain.event import Append, Event, OpaqueEvent, Receipt, RecordedEvent
from domain.event_types import EventTypes
from tests.support.appends import an_append

TENANT = "default"


class FromTheFuture(Event, frozen=True, kw_only=True):
    """Of a type that only newer programs know."""


class TailedStore(InMemoryEventStore):
    """A store that is its own tail, and that can be away, or slow.

    turns: how many others get between what was read and what is recorded.
    """

    def __init__(self) -> None:
        super().__init__(EventTypes((*EVENT_TYPES, FromTheFuture)))
        self.away: Exception | None = None
        self.turns = 0
        self.pace_seconds = 0.0
        self._moved = asyncio.Event()

    @property
    def position(self) -> int:
        return len(self._events)

    async def append(self, append: Append) -> Receipt:
        self._check()
        for _ in range(self.turns):
            await asyncio.sleep(0)
        receipt = await super().append(append)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        return receipt

    async def record_unknown(self, stream: str) -> None:
        """As a newer program would: this one can only carry the event."""
        await self.append(an_append(stream, FromTheFuture()))
        opaque = msgspec.structs.replace(self._events[-1], event=OpaqueEvent(raw=b"{}"))
        self._events[-1] = self._streams[TENANT, stream][-1] = opaque

    async def read_stream(
        self, tenant: str, stream: str, *, after_version: int = 0, limit: int = 1_000
    ) -> Sequence[RecordedEvent]:
        self._check()
        return await super().read_stream(tenant, stream, after_version=after_version, limit=limit)

    async def read_log(
        self, after: int, *, limit: int = 1_000, tenant: str | None = None
    ) -> Sequence[RecordedEvent]:
        self._check()
        return await super().read_log(after, limit=limit, tenant=tenant)

    async def read(self, after: int, limit: int = 1_000) -> Sequence[RecordedEvent]:
        return await self.read_log(after, limit=limit)

    async def wait(self, after: int, timeout_seconds: float) -> int:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self.position <= after:
                    await self._moved.wait()
        return self.position

    def _check(self) -> None:
        if self.away is not None:
            raise self.away
