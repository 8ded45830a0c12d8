"""An engine is recorded when it is new or changed; a gap in watching it always."""

import msgspec

from domain.engines.commands import EngineCommand, ObserveEngine, RecordObservationGap
from domain.engines.events import EngineEvent, EngineObserved, ObservationGapRecorded


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    last: EngineObserved | None = None
    version: int = 0


def evolve(state: Engine | None, event: EngineEvent) -> Engine:
    state = state or Engine()
    last = event if isinstance(event, EngineObserved) else state.last
    return Engine(last=last, version=state.version + 1)


def decide(command: EngineCommand, state: Engine | None) -> tuple[EngineEvent, ...]:
    match command:
        case ObserveEngine():
            observed = EngineObserved(
                engine_id=command.engine_id,
                name=command.name,
                version=command.version,
                api_version=command.api_version,
            )
            return () if state is not None and state.last == observed else (observed,)
        case RecordObservationGap():
            return (
                ObservationGapRecorded(
                    engine_id=command.engine_id,
                    since=command.since,
                    until=command.until,
                    reason=command.reason,
                ),
            )
