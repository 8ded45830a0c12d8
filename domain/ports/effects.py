"""The to-do list of the process managers."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from domain.processes.effects import AnyEffect


class NewEffect(msgspec.Struct, frozen=True, kw_only=True):
    """An effect to be written down. effect_id: the same however often the event is reacted to."""

    effect_id: str
    tenant: str
    stream: str
    position: int
    index: int
    correlation_id: str
    effect: AnyEffect
    delay_seconds: float = 0.0


class Superseding(msgspec.Struct, frozen=True, kw_only=True):
    """Effects of this stream with a lower position that nobody has begun are never done."""

    tenant: str
    stream: str
    position: int


class ClaimedEffect(msgspec.Struct, frozen=True, kw_only=True):
    """An effect that is ours until the lease ends.

    attempt: from 1; above 1 somebody may have done it already.
    superseded: it is not to be done, only reported.
    """

    effect_id: str
    tenant: str
    stream: str
    correlation_id: str
    effect: AnyEffect
    attempt: int
    superseded: bool


class EffectStore(Protocol):
    """The durable to-do list of the process managers. Raises StoreUnavailable."""

    async def position(self, process: str) -> int:
        """Of the last event that this process manager reacted to."""
        ...

    async def write(
        self,
        process: str,
        *,
        after: int,
        position: int,
        effects: Sequence[NewEffect],
        superseding: Sequence[Superseding],
    ) -> bool:
        """Effects and position in one transaction; False if the position was not `after`."""
        ...

    async def claim(
        self, owner: str, *, limit: int, lease_seconds: float
    ) -> Sequence[ClaimedEffect]:
        """What is due, oldest first, at most one per stream at a time (timers aside)."""
        ...

    async def extend(
        self, owner: str, effect_ids: Sequence[str], *, lease_seconds: float
    ) -> None: ...

    async def interrupted(self, owner: str) -> Sequence[str]:
        """Ids of our effects that have been superseded since we claimed them."""
        ...

    async def finish(self, owner: str, effect_id: str) -> None: ...

    async def retry(
        self,
        owner: str,
        effect_id: str,
        *,
        delay_seconds: float,
        reason: str,
        untouched: bool = False,
    ) -> None:
        """untouched: nothing was done this time for certain, so it does not count as an attempt."""
        ...

    async def take_over(self) -> None:
        """End all leases: for an executor that has just become the only one."""
        ...

    async def depth(self) -> int:
        """How many effects are due or under way."""
        ...
