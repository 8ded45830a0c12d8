"""How long the supervisor waits before it starts a role again."""

from api.cli.supervise import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    STEADY_SECONDS,
    Pauses,
)


def test_what_keeps_dying_young_is_started_ever_more_slowly() -> None:
    pauses = Pauses()
    waited = [pauses.after(0.1) for _ in range(10)]
    assert waited == sorted(waited)
    assert waited[0] == FIRST_PAUSE_SECONDS
    assert waited[-1] == LONGEST_PAUSE_SECONDS


def test_after_a_steady_run_it_is_started_again_at_once() -> None:
    pauses = Pauses()
    for _ in range(5):
        pauses.after(0.1)
    assert pauses.after(STEADY_SECONDS) == FIRST_PAUSE_SECONDS
