"""What we know of the engines themselves, and when we could not look."""

from datetime import datetime

from domain.event import Event


class EngineObserved(Event, frozen=True, kw_only=True):
    """The first look at an engine, or the first since it changed.

    engine_id: the one that the engine gives itself.
    """

    engine_id: str
    name: str
    version: str
    api_version: str


class ObservationGapRecorded(Event, frozen=True, kw_only=True):
    """Between these moments nobody watched: what happened then was found by looking afterwards."""

    engine_id: str
    since: datetime | None
    until: datetime
    reason: str


EngineEvent = EngineObserved | ObservationGapRecorded
