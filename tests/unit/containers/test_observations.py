"""What is seen in the engine is recorded once, and only where it is news."""

import pytest

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.decide import decide
from domain.containers.state import OBSERVED_STATUS, Status
from tests.support.containers import (
    CID,
    EXITED,
    IN_STATUS,
    REQUESTED,
    RUNNING,
    after,
    at,
    exit_seen,
    started,
    state_seen,
    when,
)

S = Status
GONE = c.ObserveContainerGone(container_id=CID)


def test_an_exit_is_recorded_once() -> None:
    assert decide(exit_seen(9), after(*RUNNING)) == (EXITED,)
    assert decide(exit_seen(9), after(*RUNNING, EXITED)) == ()


def test_an_exit_by_lack_of_memory_says_so() -> None:
    state = when(
        after(*RUNNING),
        c.ObserveContainerExit(
            container_id=CID, exit_code=137, out_of_memory=True, finished_at=at(9)
        ),
    )
    assert (state.exit_code, state.out_of_memory) == (137, True)


@pytest.mark.parametrize("status", Status)
def test_an_exit_is_news_only_of_a_container_that_can_have_run(status: Status) -> None:
    never = {S.REQUESTED, S.STOPPED, S.RESTARTING, S.REMOVED}
    assert (decide(exit_seen(50), after(*IN_STATUS[status])) == ()) is (status in never)


def test_an_exit_from_before_the_last_start_is_old_news() -> None:
    again = (c.StartContainer(container_id=CID), started(6, seconds=30))
    state = when(after(*RUNNING, EXITED), *again)
    assert decide(exit_seen(9), state) == ()
    assert decide(exit_seen(29), state) == ()
    assert decide(exit_seen(31), state) != ()


def test_the_end_that_is_part_of_a_restart_is_no_exit() -> None:
    assert decide(exit_seen(9), after(*IN_STATUS[S.RESTARTING])) == ()


@pytest.mark.parametrize(("word", "then"), OBSERVED_STATUS.items())
def test_a_change_behind_our_back_is_recorded_once(word: str, then: Status) -> None:
    state = after(*IN_STATUS[S.PAUSED if then is S.RUNNING else S.RUNNING])
    changed = when(state, state_seen(word))
    assert changed.status is then
    assert decide(state_seen(word), changed) == ()


@pytest.mark.parametrize("status", [S.STARTING, S.PAUSING, S.STOPPING, S.REMOVING, S.REQUESTED])
def test_while_we_change_it_ourselves_no_state_is_news(status: Status) -> None:
    state = after(*IN_STATUS[status])
    assert [decide(state_seen(word), state) for word in OBSERVED_STATUS] == [()] * 6


def test_a_word_that_we_do_not_know_is_not_recorded() -> None:
    assert decide(state_seen("levitating"), after(*RUNNING)) == ()


def test_a_container_that_could_not_be_started_stays_failed() -> None:
    failed = e.ContainerOperationFailed(
        container_id=CID, intent=3, operation="start", reason="no such program"
    )
    state = after(*IN_STATUS[S.STARTING], failed)
    assert state.status is S.FAILED
    assert decide(state_seen("created"), state) == ()
    assert decide(state_seen("exited"), state) == ()
    assert when(state, state_seen("running")).status is S.RUNNING


@pytest.mark.parametrize("status", Status)
def test_only_what_was_made_and_not_removed_can_disappear(status: Status) -> None:
    never = {S.REQUESTED, S.FAILED, S.REMOVING, S.REMOVED}  # that one failed to be created
    assert (decide(GONE, after(*IN_STATUS[status])) == ()) is (status in never)


def test_what_disappeared_is_removed_and_waits_for_nothing() -> None:
    state = when(after(*IN_STATUS[S.STOPPING]), GONE)
    assert (state.status, state.operations) == (S.REMOVED, ())


def test_the_first_event_must_be_the_request() -> None:
    with pytest.raises(ValueError, match="ContainerExited"):
        after(EXITED)
    assert after(REQUESTED).version == 1


@pytest.mark.parametrize("word", OBSERVED_STATUS)
def test_a_removed_container_stays_removed_whatever_is_seen_of_it(word: str) -> None:
    assert decide(state_seen(word), after(*IN_STATUS[S.REMOVED])) == ()
