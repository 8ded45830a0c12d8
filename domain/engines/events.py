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


class EngineBound(Event, frozen=True, kw_only=True):
    """The first engine that was reached: from now on the only one that anything is done to."""

    engine_id: str
    name: str


class ForeignEngineMet(Event, frozen=True, kw_only=True):
    """Another engine answered than the bound one: nothing is done to it, nothing believed of it."""

    engine_id: str
    name: str


class BoundEngineMetAgain(Event, frozen=True, kw_only=True):
    """The bound engine answers where a foreign one did before."""

    engine_id: str
    name: str


class EngineRebound(Event, frozen=True, kw_only=True):
    """Somebody decided that the foreign engine is the installation's from now on."""

    engine_id: str
    name: str
    previous_engine_id: str


EngineEvent = EngineObserved | ObservationGapRecorded
BindingEvent = EngineBound | ForeignEngineMet | BoundEngineMetAgain | EngineRebound
