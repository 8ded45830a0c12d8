"""An installation is bound to one engine: the first that it reached, until somebody rebinds it.

What another engine lacks says nothing of our containers, and what it has is not ours to touch.
"""

from typing import Never

import msgspec

from domain.engines.commands import BindingCommand, MeetEngine, RebindEngine
from domain.engines.events import (
    BindingEvent,
    BoundEngineMetAgain,
    EngineBound,
    EngineRebound,
    ForeignEngineMet,
)
from domain.errors import Refusal

ENGINE = "engine"
"""The one thing that an installation is bound to: it has one binding."""


class KnownEngine(msgspec.Struct, frozen=True, kw_only=True):
    """engine_id: the one that the engine gives itself. name: as when it was met."""

    engine_id: str
    name: str

    def __str__(self) -> str:
        return f"{self.engine_id} ({self.name})"


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """foreign: the engine that answered last, where it is not the bound one."""

    bound: KnownEngine
    foreign: KnownEngine | None = None


def evolve(state: Binding | None, event: BindingEvent) -> Binding:
    engine = KnownEngine(engine_id=event.engine_id, name=event.name)
    if isinstance(event, ForeignEngineMet) and state is not None:
        return Binding(bound=state.bound, foreign=engine)
    return Binding(bound=engine)


def decide(command: BindingCommand, state: Binding | None) -> tuple[BindingEvent, ...]:
    match command:
        case MeetEngine():
            return _meet(command, state)
        case RebindEngine():
            return _rebind(command, state)


def _meet(met: MeetEngine, state: Binding | None) -> tuple[BindingEvent, ...]:
    if state is None:
        return (EngineBound(engine_id=met.engine_id, name=met.name),)
    answered = state.foreign or state.bound
    if met.engine_id == answered.engine_id:
        return ()
    if met.engine_id == state.bound.engine_id:
        return (BoundEngineMetAgain(engine_id=met.engine_id, name=met.name),)
    return (ForeignEngineMet(engine_id=met.engine_id, name=met.name),)


def _rebind(command: RebindEngine, state: Binding | None) -> tuple[BindingEvent, ...]:
    if state is None:
        _refuse("unbound", "No engine was reached yet. The first one is bound by itself.")
    if state.foreign is None:
        _refuse("bound", f"The bound engine, {state.bound}, is the one that answers.")
    if state.foreign.engine_id != command.engine_id:
        _refuse("foreign", f"The engine that answers is {state.foreign}. Name that one.")
    rebound = EngineRebound(
        engine_id=state.foreign.engine_id,
        name=state.foreign.name,
        previous_engine_id=state.bound.engine_id,
    )
    return (rebound,)


def _refuse(state: str, advice: str) -> Never:
    raise Refusal(rule="rebind-needs-the-foreign-engine-that-answers", state=state, advice=advice)
