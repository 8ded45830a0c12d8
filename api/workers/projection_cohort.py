"""Projections that go through the log in step: each page is read and decoded once for them all."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import psycopg

from adapters.postgres.read_models import Follower, LeadershipLost, ProjectionStopped
from api.workers.loops import LogReader
from domain.errors import StoreUnavailable
from domain.event import RecordedEvent

PAGE = 1_000
REACH = 20 * PAGE
"""So near to one another, reading each page once for all is worth a moment's wait for the last."""
FAILURES = (psycopg.Error, OSError, StoreUnavailable, LeadershipLost, ProjectionStopped)

Failed = Callable[[Follower, Exception], None]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one page. at_end: there is no further one; members: who are there now."""

    moved: bool
    at_end: bool
    members: tuple[Follower, ...]


class Cohort:
    """A member that fails is let go; the others do not notice."""

    def __init__(self, log_reader: LogReader, failed: Failed) -> None:
        self._log_reader = log_reader
        self._failed = failed
        self._members: list[Follower] = []
        self._joined = asyncio.Event()

    @property
    def members(self) -> tuple[Follower, ...]:
        return tuple(self._members)

    @property
    def position(self) -> int:
        """Of the member that is furthest behind."""
        return min((member.position for member in self._members), default=0)

    def is_within_reach(self, follower: Follower) -> bool:
        return abs(follower.position - self.position) <= REACH

    def add(self, follower: Follower) -> None:
        self._members.append(follower)
        self._joined.set()

    def remove(self, follower: Follower) -> None:
        self._members = [member for member in self._members if member is not follower]
        if not self._members:
            self._joined.clear()

    async def let_go(self, member: Follower, error: Exception) -> None:
        self.remove(member)
        await member.close()
        self._failed(member, error)

    async def close(self) -> None:
        for member in self._members:
            self.remove(member)
            await member.close()

    async def joined(self) -> tuple[Follower, ...]:
        """Those who are members now. Waits while there is none."""
        await self._joined.wait()
        return self.members

    async def step(self) -> Step:
        """Apply one page to those who are members now. Waits while there is none."""
        members = await self.joined()
        events = await self._log_reader.read(self.position, PAGE)
        if events:
            # Who joined during the read may be further behind, and waits for the next page.
            await asyncio.gather(*(self._apply(member, events) for member in members))
        return Step(
            moved=bool(events),
            at_end=len(events) < PAGE,
            members=tuple(member for member in members if member in self._members),
        )

    async def _apply(self, member: Follower, events: Sequence[RecordedEvent]) -> None:
        try:
            await member.apply(events)
        except FAILURES as error:
            await self.let_go(member, error)
