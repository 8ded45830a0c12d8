"""An installation is bound to the first engine that it meets, until somebody decides otherwise."""

from functools import reduce

import pytest

from domain.engines.binding import Binding, decide, evolve
from domain.engines.commands import MeetEngine, RebindEngine
from domain.engines.events import (
    BindingEvent,
    BoundEngineMetAgain,
    EngineBound,
    EngineRebound,
    ForeignEngineMet,
)
from domain.errors import Refusal

OURS, OTHER, THIRD = "engine-1", "engine-2", "engine-3"
BOUND = EngineBound(engine_id=OURS, name="node")
FOREIGN = ForeignEngineMet(engine_id=OTHER, name="node")
REBOUND = EngineRebound(engine_id=OTHER, name="node", previous_engine_id=OURS)


def after(*events: BindingEvent) -> Binding | None:
    state: Binding | None = None
    return reduce(evolve, events, state)


def meet(engine_id: str) -> MeetEngine:
    return MeetEngine(engine_id=engine_id, name="node")


@pytest.mark.parametrize(
    ("given", "met", "then"),
    [
        ((), OURS, (BOUND,)),
        ((BOUND,), OURS, ()),
        ((BOUND,), OTHER, (FOREIGN,)),
        ((BOUND, FOREIGN), OTHER, ()),
        ((BOUND, FOREIGN), THIRD, (ForeignEngineMet(engine_id=THIRD, name="node"),)),
        ((BOUND, FOREIGN), OURS, (BoundEngineMetAgain(engine_id=OURS, name="node"),)),
        ((BOUND, FOREIGN, REBOUND), OTHER, ()),
        ((BOUND, FOREIGN, REBOUND), OURS, (ForeignEngineMet(engine_id=OURS, name="node"),)),
    ],
)
def test_an_engine_is_recorded_when_another_answers_than_before(
    given: tuple[BindingEvent, ...], met: str, then: tuple[BindingEvent, ...]
) -> None:
    assert decide(meet(met), after(*given)) == then


def test_the_foreign_engine_that_answers_can_be_bound_instead() -> None:
    assert decide(RebindEngine(engine_id=OTHER), after(BOUND, FOREIGN)) == (REBOUND,)


@pytest.mark.parametrize(
    ("given", "to", "state", "advice"),
    [
        ((), OTHER, "unbound", "bound by itself"),
        ((BOUND,), OTHER, "bound", "is the one that answers"),
        ((BOUND,), OURS, "bound", "is the one that answers"),
        ((BOUND, FOREIGN), THIRD, "foreign", f"{OTHER} (node)"),
        ((BOUND, FOREIGN), OURS, "foreign", f"{OTHER} (node)"),
        ((BOUND, FOREIGN, REBOUND), OTHER, "bound", "is the one that answers"),
    ],
)
def test_no_engine_is_bound_that_does_not_answer(
    given: tuple[BindingEvent, ...], to: str, state: str, advice: str
) -> None:
    with pytest.raises(Refusal) as refused:
        decide(RebindEngine(engine_id=to), after(*given))
    assert refused.value.state == state
    assert advice in refused.value.advice
