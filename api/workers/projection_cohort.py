"""Projections that go through the log in step: each page is read and decoded once for them all."""

import asyncio
from collections.abc import Callable, Sequence

import psycopg

from adapters.postgres.read_models import Follower, LeadershipLost, ProjectionStopped
from api.workers.loops import LogReader
from domain.errors import StoreUnavailable
from domain.event import RecordedEvent

PAGE = 1_000
FAILURES = (psycopg.Error, OSError, StoreUnavailable, LeadershipLost, ProjectionStopped)

Failed = Callable[[Follower, Exception], None]


class Cohort:
    """A member that fails is let go; the others do not notice."""

    def __init__(self, log_reader: LogReader, failed: Failed) -> None:
        self._log_reader = log_reader
        self._failed = failed
        self._members: list[Follower] = []
        self._joined = asyncio.Event()

    @property
    def position(self) -> int:
        """Of the member that is furthest behind."""
        return min((member.position for member in self._members), default=0)

    def add(self, follower: Follower) -> None:
        self._members.append(follower)
        self._joined.set()

    def dismiss_all(self) -> Sequence[Follower]:
        members, self._members = self._members, []
        self._joined.clear()
        return members

    async def close(self) -> None:
        for member in self.dismiss_all():
            await member.close()

    async def step(self) -> int:
        """Apply one page, and say how many events it had. Waits while there is no member."""
        await self._joined.wait()
        events = await self._log_reader.read(self.position, PAGE)
        if events:
            await asyncio.gather(*(self._apply(member, events) for member in self._members))
        return len(events)

    async def _apply(self, member: Follower, events: Sequence[RecordedEvent]) -> None:
        try:
            await member.apply(events)
        except FAILURES as error:
            self._members = [other for other in self._members if other is not member]
            if not self._members:
                self._joined.clear()
            await member.close()
            self._failed(member, error)
