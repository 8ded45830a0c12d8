"""Follows the log and writes down what each event asks for: effects and position together.

Any number of these may run: the position moves only from where it was read, so whoever is
slower starts over from the winner's.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from api.workers.crash_points import CrashPoint, CrashPoints
from api.workers.loops import LogReader, Worker
from domain.application.aggregates import aggregate_named
from domain.application.recent import Recent
from domain.event import OpaqueEvent, RecordedEvent
from domain.ports import EffectStore, EventStore, NewEffect, Superseding
from domain.processes.reactions import needs_state, react

PROCESS = "reactions"
PAGE = 500
WAIT_SECONDS = 5.0
REMEMBERED = 10_000
REMEMBERED_BYTES = 64 * 1024 * 1024

log = structlog.get_logger(__name__)


class ProcessManager(Worker):
    def __init__(
        self, *, store: EventStore, tail: LogReader, effects: EffectStore, crash: CrashPoints
    ) -> None:
        super().__init__("process-manager")
        self._tail = tail
        self._effects = effects
        self._crash = crash
        self._states = StateReader(store)
        self.position = 0

    async def run(self) -> None:
        self.position = await self._effects.position(PROCESS)
        while True:
            page = await self._tail.read(self.position, PAGE)
            if not page:
                await self._tail.wait(self.position, timeout_seconds=WAIT_SECONDS)
                continue
            await self._react(page)

    async def _react(self, page: Sequence[RecordedEvent]) -> None:
        self._crash.pass_by(CrashPoint.EVENT_APPENDED)
        effects: list[NewEffect] = []
        superseding: list[Superseding] = []
        for recorded in page:
            state = await self._states.after(recorded) if needs_state(recorded) else None
            reaction = react(recorded, state)
            if reaction.supersedes:
                superseding.append(_superseding(recorded))
            effects += [
                NewEffect(
                    effect_id=f"{PROCESS}:{recorded.position}:{index}",
                    tenant=recorded.tenant,
                    stream=recorded.stream,
                    position=recorded.position,
                    index=index,
                    correlation_id=recorded.correlation_id,
                    effect=planned.effect,
                    delay_seconds=planned.delay_seconds,
                )
                for index, planned in enumerate(reaction.effects)
            ]
        last = page[-1].position
        written = await self._effects.write(
            PROCESS, after=self.position, position=last, effects=effects, superseding=superseding
        )
        if written:
            self.position = last
            self._crash.pass_by(CrashPoint.EFFECT_WRITTEN)
        else:
            self.position = await self._effects.position(PROCESS)


def _superseding(recorded: RecordedEvent) -> Superseding:
    return Superseding(tenant=recorded.tenant, stream=recorded.stream, position=recorded.position)


class StateReader:
    """States of aggregates as they were right after an event, read in order of the log."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._cache: Recent[tuple[str, str], _Known] = Recent(
            most=REMEMBERED, most_weight=REMEMBERED_BYTES
        )

    async def after(self, recorded: RecordedEvent) -> Any:
        key = (recorded.tenant, recorded.stream)
        known = self._cache.get(key)
        if known is None or known.version >= recorded.version:
            known = _Known()
        while known.version < recorded.version:
            known = await self._advance(known, recorded)
        self._cache.put(key, known, weight=known.size)
        return known.state

    async def _advance(self, known: "_Known", until: RecordedEvent) -> "_Known":
        if known.version == until.version - 1:
            return _evolve(known, until)
        page = await self._store.read_stream(
            until.tenant, until.stream, after_version=known.version
        )
        for recorded in page:
            if recorded.version <= until.version:
                known = _evolve(known, recorded)
        return known


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """size: of the events it was folded from, in bytes."""

    version: int = 0
    state: Any = None
    size: int = 0


def _evolve(known: _Known, recorded: RecordedEvent) -> _Known:
    aggregate = aggregate_named(recorded.stream.partition("-")[0])
    state = known.state
    if aggregate is not None and not isinstance(recorded.event, OpaqueEvent):
        state = aggregate.evolve(state, recorded.event)
    return _Known(version=recorded.version, state=state, size=known.size + len(recorded.data))
