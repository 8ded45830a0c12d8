"""What is reported of engines, and what may be asked of the installation's binding to one."""

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


class MeetEngine(Command, frozen=True, kw_only=True):
    """This engine answers now. The first one is bound."""

    engine_id: str
    name: str


class RebindEngine(Command, frozen=True, kw_only=True):
    """Let the engine that answers now be the installation's, instead of the bound one."""

    engine_id: str


EngineCommand = ObserveEngine | RecordObservationGap
BindingCommand = MeetEngine | RebindEngine
