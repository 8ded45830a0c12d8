"""New events as they come, for everybody in this process, at the cost of one listener.

A notification is a hint only: the log is also polled, and read again once LISTEN is in force, so
that no event waits for the next one.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from adapters.postgres.errors import NOT_SET_UP, UNREACHABLE
from adapters.postgres.event_mapper import EventMapper
from adapters.postgres.log_reader import LogReader, log_reader
from adapters.postgres.ring import Ring
from domain.errors import StoreUnavailable
from domain.event import RecordedEvent
from domain.ports import EventStore

POLL_SECONDS = 1.0
PAGE_SIZE = 1_000
CAPACITY = 10_000
CAPACITY_BYTES = 64 * 1024 * 1024
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0

_log = structlog.get_logger("log tail")


class LogTail:
    """Reconnects for ever. Memory is bounded, however many wait and however slow they are."""

    def __init__(
        self, url: str, store: EventStore, *, capacity: int = CAPACITY, poll: float = POLL_SECONDS
    ) -> None:
        self._url = url
        self._store = store
        self._capacity = capacity
        self._poll_seconds = poll
        self._ring: Ring | None = None
        self._decode = EventMapper().decode
        self._news = asyncio.Event()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.pace_seconds = 0.0

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="log tail")

    async def stop(self) -> None:
        """Safe twice, safe before start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def read(self, after: int, limit: int = PAGE_SIZE) -> Sequence[RecordedEvent]:
        """As EventStore.read_log, and from memory when it is recent."""
        recent = self._ring.read(after, limit) if self._ring is not None else None
        return await self._store.read_log(after, limit=limit) if recent is None else recent

    async def wait(self, after: int, timeout_seconds: float) -> int:
        """The last known position, once it is greater than after or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self.position <= after:
                    await self._moved.wait()
        return self.position

    @property
    def position(self) -> int:
        """The last known position, 0 as long as none is."""
        return 0 if self._ring is None else self._ring.last

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with log_reader(self._url, self._decode, self._news.set) as reader:
                    await self._begin()
                    await self._catch_up(reader)
                    pause = FIRST_PAUSE_SECONDS
                    await self._follow(reader)
            except (StoreUnavailable, *UNREACHABLE, *NOT_SET_UP):
                pass
            except Exception:  # noqa: BLE001 - the outermost loop: all who follow depend on it
                _log.exception("the log cannot be followed; it is tried again")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _follow(self, reader: LogReader) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._news.wait()
            if self.pace_seconds:
                await asyncio.sleep(self.pace_seconds)
            self._news.clear()
            await self._catch_up(reader)

    async def _begin(self) -> None:
        """At the end of the log; and again there, if a backup took its place."""
        last = (await self._store.head()).position
        if self._ring is None or last < self._ring.last:
            self._ring = Ring(last, capacity=self._capacity, capacity_bytes=CAPACITY_BYTES)
            self._tell()

    async def _catch_up(self, reader: LogReader) -> None:
        ring = self._ring
        assert ring is not None
        while events := await reader.read(ring.last, PAGE_SIZE):
            ring.extend(events)
            self._tell()
            if len(events) < PAGE_SIZE:
                return

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
