"""An engine is recorded when it is new or changed; a gap in watching it always."""

from datetime import UTC, datetime
from functools import reduce

from domain.engines.commands import ObserveEngine, RecordObservationGap
from domain.engines.decide import decide, evolve

SEEN = ObserveEngine(engine_id="e", name="node", version="20.10", api_version="1.41")
NEWER = ObserveEngine(engine_id="e", name="node", version="28.0", api_version="1.48")
GAP = RecordObservationGap(
    engine_id="e", since=None, until=datetime(2026, 3, 1, tzinfo=UTC), reason="restart"
)


def test_an_engine_is_recorded_once_until_it_changes() -> None:
    state = reduce(evolve, decide(SEEN, None), None)
    assert decide(SEEN, state) == ()
    changed = decide(NEWER, state)
    assert len(changed) == 1
    assert decide(NEWER, reduce(evolve, changed, state)) == ()


def test_a_gap_is_recorded_and_does_not_make_the_engine_new() -> None:
    state = reduce(evolve, (*decide(SEEN, None), *decide(GAP, None)), None)
    assert state is not None
    assert state.version == 2
    assert decide(SEEN, state) == ()
