"""Outcomes of what was asked for: once each, and in any order with what was observed meanwhile."""

import pytest

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.decide import decide
from domain.containers.state import Container, Status
from domain.errors import UnknownStream
from tests.support.containers import (
    CID,
    CREATED,
    IN_STATUS,
    MORE,
    REQUESTED,
    RUNNING,
    SPEC,
    START_REQUESTED,
    after,
    at,
    created,
    exit_seen,
    fail,
    started,
    stopped,
    supersede,
    when,
)

S = Status
STOP = c.StopContainer(container_id=CID)
OUTCOMES: tuple[tuple[Status, c.ContainerOutcome, Status], ...] = (
    (S.REQUESTED, created(), S.CREATED),
    (S.STARTING, started(3), S.RUNNING),
    (S.STOPPING, stopped(5), S.STOPPED),
    (
        S.RESTARTING,
        c.RecordContainerRestarted(container_id=CID, intent=5, started_at=at(5)),
        S.RUNNING,
    ),
    (S.PAUSING, c.RecordContainerPaused(container_id=CID, intent=5), S.PAUSED),
    (S.UNPAUSING, c.RecordContainerUnpaused(container_id=CID, intent=7), S.RUNNING),
    (S.REMOVING, c.RecordContainerRemoved(container_id=CID, intent=5), S.REMOVED),
)


@pytest.mark.parametrize(("status", "outcome", "then"), OUTCOMES)
def test_an_outcome_ends_its_operation(
    status: Status, outcome: c.ContainerOutcome, then: Status
) -> None:
    state = when(after(*IN_STATUS[status]), outcome)
    assert (state.status, state.operations) == (then, ())


@pytest.mark.parametrize(("status", "outcome", "then"), OUTCOMES)
def test_a_second_delivery_of_an_outcome_records_nothing(
    status: Status, outcome: c.ContainerOutcome, then: Status
) -> None:
    assert decide(outcome, when(after(*IN_STATUS[status]), outcome)) == ()


@pytest.mark.parametrize(("status", "outcome", "then"), OUTCOMES)
def test_a_refused_operation_leaves_the_container_as_it_was(
    status: Status, outcome: c.ContainerOutcome, then: Status
) -> None:
    before = after(*IN_STATUS[status][:-1]).status if status is not S.REQUESTED else S.FAILED
    state = when(after(*IN_STATUS[status]), fail(outcome.intent))
    ends_it = status in {S.REQUESTED, S.STARTING, S.RESTARTING}
    assert state.status is (S.FAILED if ends_it else before)
    assert (state.failure, state.operations) == ("the engine said no", ())


@pytest.mark.parametrize(("status", "outcome", "then"), OUTCOMES[1:])
def test_a_superseded_operation_leaves_the_container_as_it_was(
    status: Status, outcome: c.ContainerOutcome, then: Status
) -> None:
    state = when(after(*IN_STATUS[status]), supersede(outcome.intent))
    assert state.status is after(*IN_STATUS[status][:-1]).status
    assert state.operations == ()


def test_a_failed_change_is_forgotten_once_another_one_succeeds() -> None:
    change = c.ChangeContainerLimits(container_id=CID, limits=MORE)
    refused = when(after(*RUNNING), change, fail(5))
    assert refused.failure == "the engine said no"
    done = c.RecordContainerLimitsChanged(container_id=CID, intent=7, limits=MORE)
    changed = when(refused, change, done)
    assert (changed.failure, changed.limits) == (None, MORE)


def test_a_failure_names_the_operation_and_whether_it_is_certain() -> None:
    state = after(*IN_STATUS[S.STOPPING])
    (certain,) = decide(fail(5), state)
    (uncertain,) = decide(fail(5, unknown=True), state)
    assert isinstance(certain, e.ContainerOperationFailed)
    assert isinstance(uncertain, e.ContainerOperationOutcomeUnknown)
    assert certain.operation == uncertain.operation == "stop"


def test_an_outcome_for_an_intent_that_never_was_records_nothing() -> None:
    assert decide(started(2), after(*RUNNING)) == ()


def test_no_outcome_is_recorded_of_a_container_that_never_was() -> None:
    with pytest.raises(UnknownStream):
        decide(started(3), None)


def test_signals_and_limits_leave_the_status_alone() -> None:
    state = when(
        after(*RUNNING),
        c.KillContainer(container_id=CID, signal="HUP"),
        c.ChangeContainerLimits(container_id=CID, limits=MORE),
    )
    assert (state.status, state.limits) == (S.RUNNING, SPEC.limits)
    assert [op.name for op in state.operations] == ["kill", "update limits"]
    state = when(
        state,
        c.RecordContainerKilled(container_id=CID, intent=5, signal="HUP"),
        c.RecordContainerLimitsChanged(container_id=CID, intent=6, limits=MORE),
    )
    assert (state.status, state.limits, state.operations) == (S.RUNNING, MORE, ())


def _starting_and_stopping() -> Container:
    return when(after(REQUESTED, START_REQUESTED), STOP)


def test_a_stop_is_not_forgotten_when_the_start_before_it_succeeds() -> None:
    state = when(_starting_and_stopping(), created(), started(2))
    assert state.status is S.STOPPING
    assert when(state, stopped(3)).status is S.STOPPED


def test_a_container_whose_creation_was_superseded_never_was() -> None:
    state = when(_starting_and_stopping(), supersede(1), supersede(2), fail(3))
    assert (state.status, state.operations) == (S.FAILED, ())


def test_a_kill_of_a_container_that_was_about_to_start_leaves_it_created() -> None:
    state = when(
        after(REQUESTED, START_REQUESTED),
        c.KillContainer(container_id=CID),
        created(),
        supersede(2),
        fail(3),
    )
    assert (state.status, state.operations) == (S.CREATED, ())


def test_a_failed_stop_of_a_container_that_started_meanwhile_leaves_it_running() -> None:
    state = when(_starting_and_stopping(), created(), started(2), fail(3))
    assert state.status is S.RUNNING


def test_a_forced_removal_is_not_forgotten_when_the_creation_succeeds() -> None:
    remove = c.RemoveContainer(container_id=CID, force=True)
    state = when(after(REQUESTED), remove, created())
    assert state.status is S.REMOVING


def test_a_removed_container_waits_for_nothing() -> None:
    state = when(
        after(*RUNNING),
        c.KillContainer(container_id=CID),
        c.RemoveContainer(container_id=CID, force=True),
        c.RecordContainerRemoved(container_id=CID, intent=6),
    )
    assert state.operations == ()
    assert decide(supersede(5), state) == ()


def test_a_container_seen_to_end_before_its_start_is_recorded_has_ended() -> None:
    state = when(after(REQUESTED, CREATED, START_REQUESTED), exit_seen(2), started(3, seconds=1))
    assert (state.status, state.exit_code, state.finished_at) == (S.STOPPED, 3, at(2))
    assert state.started_at == at(1)


def test_a_container_that_starts_again_after_its_end_runs() -> None:
    state = when(
        after(*RUNNING),
        exit_seen(9),
        c.StartContainer(container_id=CID),
        started(6, seconds=10),
    )
    assert (state.status, state.exit_code, state.finished_at) == (S.RUNNING, None, None)


def test_a_container_that_ended_while_it_was_paused_has_ended() -> None:
    state = when(
        after(*IN_STATUS[S.PAUSING]),
        exit_seen(9),
        c.RecordContainerPaused(container_id=CID, intent=5),
    )
    assert state.status is S.STOPPED
