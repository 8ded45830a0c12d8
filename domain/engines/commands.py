"""What the reconciler reports of an engine."""

from datetime import datetime

from domain.event import Command


class ObserveEngine(Command, frozen=True, kw_only=True):
    engine_id: str
    name: str
    version: str
    api_version: str


class RecordObservationGap(Command, frozen=True, kw_only=True):
    engine_id: str
    since: datetime | None
    until: datetime
    reason: str


EngineCommand = ObserveEngine | RecordObservationGap
