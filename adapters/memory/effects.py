"""The to-do list in memory, for tests: the same promises as PostgreSQL's, except surviving."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.ports import ClaimedEffect, NewEffect, Superseding


@dataclass
class _Kept:
    new: NewEffect
    due_at: float
    superseded: bool = False
    attempts: int = 0
    owner: str | None = None
    lease_until: float = 0.0

    @property
    def timer(self) -> bool:
        return self.new.delay_seconds > 0

    @property
    def order(self) -> tuple[int, int]:
        return self.new.position, self.new.index

    def holds_up(self, other: "_Kept") -> bool:
        same = (self.new.tenant, self.new.stream) == (other.new.tenant, other.new.stream)
        return same and not self.timer and not other.timer and self.order < other.order


class InMemoryEffectStore:
    """Implements `domain.ports.EffectStore`. clock: seconds, to be moved by tests."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._positions: dict[str, int] = {}
        self._kept: dict[str, _Kept] = {}
        self.written = asyncio.Event()
        """Set whenever there may be something new to claim."""

    async def position(self, process: str) -> int:
        return self._positions.get(process, 0)

    async def write(
        self,
        process: str,
        *,
        after: int,
        position: int,
        effects: Sequence[NewEffect],
        superseding: Sequence[Superseding],
    ) -> bool:
        if self._positions.get(process, 0) != after:
            return False
        self._positions[process] = position
        for effect in effects:
            due_at = self._clock() + effect.delay_seconds
            self._kept.setdefault(effect.effect_id, _Kept(effect, due_at))
        for each in superseding:
            self._supersede(each)
        self.written.set()
        return True

    async def claim(
        self, owner: str, *, limit: int, lease_seconds: float
    ) -> Sequence[ClaimedEffect]:
        now = self._clock()
        ready = sorted((k for k in self._kept.values() if self._ready(k, now)), key=_order)[:limit]
        for kept in ready:
            kept.owner, kept.lease_until = owner, now + lease_seconds
            kept.attempts += 1
        return [_claimed(kept) for kept in ready]

    async def extend(self, owner: str, effect_ids: Sequence[str], *, lease_seconds: float) -> None:
        for effect_id in effect_ids:
            kept = self._owned(owner, effect_id)
            if kept is not None:
                kept.lease_until = self._clock() + lease_seconds

    async def interrupted(self, owner: str) -> Sequence[str]:
        now = self._clock()
        return [
            effect_id
            for effect_id, kept in self._kept.items()
            if kept.owner == owner and kept.superseded and kept.lease_until >= now
        ]

    async def finish(self, owner: str, effect_id: str) -> None:
        if self._owned(owner, effect_id) is not None:
            del self._kept[effect_id]

    async def retry(
        self,
        owner: str,
        effect_id: str,
        *,
        delay_seconds: float,
        reason: str,  # noqa: ARG002 - kept for operators, who do not look in here
        untouched: bool = False,
    ) -> None:
        kept = self._owned(owner, effect_id)
        if kept is not None:
            kept.owner, kept.due_at = None, self._clock() + delay_seconds
            kept.attempts -= untouched

    async def take_over(self) -> None:
        for kept in self._kept.values():
            kept.owner = None

    def is_empty(self) -> bool:
        return not self._kept

    def is_held(self) -> bool:
        return any(kept.owner is not None for kept in self._kept.values())

    def attempts(self) -> list[int]:
        """Of each effect that is not done yet, in order."""
        return [kept.attempts for kept in sorted(self._kept.values(), key=_order)]

    async def depth(self) -> int:
        now = self._clock()
        return sum(kept.due_at <= now for kept in self._kept.values())

    def _supersede(self, superseding: Superseding) -> None:
        for kept in self._kept.values():
            same = (kept.new.tenant, kept.new.stream) == (superseding.tenant, superseding.stream)
            if same and kept.new.position < superseding.position:
                kept.superseded, kept.due_at = True, min(kept.due_at, self._clock())

    def _ready(self, kept: _Kept, now: float) -> bool:
        held = kept.owner is not None and kept.lease_until >= now
        if held or kept.due_at > now:
            return False
        return not any(other.holds_up(kept) for other in self._kept.values())

    def _owned(self, owner: str, effect_id: str) -> _Kept | None:
        kept = self._kept.get(effect_id)
        return kept if kept is not None and kept.owner == owner else None


def _order(kept: _Kept) -> tuple[int, int]:
    return kept.order


def _claimed(kept: _Kept) -> ClaimedEffect:
    return ClaimedEffect(
        effect_id=kept.new.effect_id,
        tenant=kept.new.tenant,
        stream=kept.new.stream,
        correlation_id=kept.new.correlation_id,
        effect=kept.new.effect,
        attempt=kept.attempts,
        superseded=kept.superseded,
    )
