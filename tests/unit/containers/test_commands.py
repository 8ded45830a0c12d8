"""Every command that a user may give, in every status."""

import pytest

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.decide import decide
from domain.containers.state import Status
from domain.errors import Refusal, UnknownStream
from tests.support.containers import (
    CID,
    IN_STATUS,
    MORE,
    REQUESTED,
    RUNNING,
    SPEC,
    after,
    fail,
    when,
)

START = c.StartContainer(container_id=CID)
STOP = c.StopContainer(container_id=CID)
RESTART = c.RestartContainer(container_id=CID)
PAUSE = c.PauseContainer(container_id=CID)
UNPAUSE = c.UnpauseContainer(container_id=CID)
KILL = c.KillContainer(container_id=CID)
RENAME = c.RenameContainer(container_id=CID, name="other")
LIMIT = c.ChangeContainerLimits(container_id=CID, limits=MORE)
REMOVE = c.RemoveContainer(container_id=CID)
FORCE = c.RemoveContainer(container_id=CID, force=True)
COMMANDS = (START, STOP, RESTART, PAUSE, UNPAUSE, KILL, RENAME, LIMIT, REMOVE, FORCE)

S = Status
ACCEPTED: dict[c.ContainerUserCommand, tuple[set[Status], type[e.ContainerEvent]]] = {
    START: ({S.CREATED, S.STOPPED, S.FAILED}, e.ContainerStartRequested),
    STOP: ({S.STARTING, S.RUNNING, S.PAUSED, S.RESTARTING}, e.ContainerStopRequested),
    RESTART: ({S.RUNNING, S.STOPPED}, e.ContainerRestartRequested),
    PAUSE: ({S.RUNNING}, e.ContainerPauseRequested),
    UNPAUSE: ({S.PAUSED}, e.ContainerUnpauseRequested),
    KILL: (
        {S.STARTING, S.RUNNING, S.PAUSED, S.RESTARTING, S.STOPPING},
        e.ContainerKillRequested,
    ),
    RENAME: (set(S) - {S.REMOVING, S.REMOVED}, e.ContainerRenamed),
    LIMIT: ({S.CREATED, S.RUNNING, S.PAUSED, S.STOPPED}, e.ContainerLimitsChangeRequested),
    REMOVE: ({S.CREATED, S.STOPPED, S.FAILED}, e.ContainerRemovalRequested),
    FORCE: (set(S) - {S.REMOVING, S.REMOVED}, e.ContainerRemovalRequested),
}


def _name(value: object) -> str:
    if isinstance(value, c.RemoveContainer) and value.force:
        return "ForceRemoveContainer"
    return str(value) if isinstance(value, Status) else type(value).__name__


@pytest.mark.parametrize("status", Status, ids=_name)
def test_each_example_is_in_its_status(status: Status) -> None:
    assert after(*IN_STATUS[status]).status is status


@pytest.mark.parametrize("status", Status, ids=_name)
@pytest.mark.parametrize("command", COMMANDS, ids=_name)
def test_a_command_is_an_intent_or_a_refusal_that_names_rule_and_state(
    command: c.ContainerUserCommand, status: Status
) -> None:
    state = after(*IN_STATUS[status])
    allowed, event = ACCEPTED[command]
    if status in allowed:
        assert [type(decided) for decided in decide(command, state)] == [event]
        return
    with pytest.raises(Refusal) as refusal:
        decide(command, state)
    assert refusal.value.state == status
    assert refusal.value.rule.endswith("-needs-" + "-or-".join(sorted(allowed)))
    assert f"is {status};" in refusal.value.advice
    assert type(command).__name__ not in refusal.value.advice


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (START, S.RUNNING, "to start it, it must be created, failed or stopped."),
        (PAUSE, S.STOPPED, "to pause it, it must be running."),
        (
            LIMIT,
            S.STARTING,
            "to change its limits, it must be created, paused, running or stopped.",
        ),
        (STOP, S.REMOVED, "only its history stays."),
        (FORCE, S.REMOVING, "only its history stays."),
    ],
    ids=_name,
)
def test_a_refusal_says_what_it_takes_in_the_words_of_who_asked(
    command: c.ContainerUserCommand, status: Status, said: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        decide(command, after(*IN_STATUS[status]))
    assert f"; {said}" in refusal.value.advice


def test_a_request_asks_for_a_container_and_its_start() -> None:
    requested = decide(c.RequestContainer(container_id=CID, spec=SPEC), None)
    assert requested == (REQUESTED, e.ContainerStartRequested(container_id=CID))


def test_a_request_without_a_start_only_asks_for_the_container() -> None:
    command = c.RequestContainer(container_id=CID, spec=SPEC, start=False)
    assert decide(command, None) == (REQUESTED,)


def test_an_id_is_used_once() -> None:
    with pytest.raises(Refusal, match="container-id-is-new") as refusal:
        decide(c.RequestContainer(container_id=CID, spec=SPEC), after(*RUNNING))
    assert refusal.value.state == "running"


@pytest.mark.parametrize("command", COMMANDS, ids=_name)
def test_no_command_finds_a_container_that_never_was(command: c.ContainerUserCommand) -> None:
    with pytest.raises(UnknownStream, match="container c-1"):
        decide(command, None)


@pytest.mark.parametrize("command", [STOP, RESTART], ids=_name)
def test_the_grace_is_the_containers_own_unless_given(
    command: c.StopContainer | c.RestartContainer,
) -> None:
    (own,) = decide(command, after(*RUNNING))
    (given,) = decide(type(command)(container_id=CID, grace_seconds=0), after(*RUNNING))
    assert isinstance(own, e.ContainerStopRequested | e.ContainerRestartRequested)
    assert isinstance(given, e.ContainerStopRequested | e.ContainerRestartRequested)
    assert (own.grace_seconds, given.grace_seconds) == (SPEC.stop_grace_seconds, 0)


def test_a_name_that_it_has_already_is_not_recorded_again() -> None:
    assert decide(c.RenameContainer(container_id=CID, name=SPEC.name), after(*RUNNING)) == ()


def test_limits_that_are_asked_for_last_count_though_others_wait_or_ended_unknown() -> None:
    waiting = when(after(*RUNNING), LIMIT)
    back = c.ChangeContainerLimits(container_id=CID, limits=SPEC.limits)
    asked = e.ContainerLimitsChangeRequested(container_id=CID, limits=SPEC.limits)
    assert waiting.limits == SPEC.limits
    assert decide(back, waiting) == (asked,)
    assert decide(back, when(waiting, fail(waiting.version, unknown=True))) == (asked,)


def test_only_the_name_that_we_show_changes() -> None:
    state = when(after(*RUNNING), RENAME)
    assert (state.name, state.engine_name, state.status) == ("other", "em-c-1-1", S.RUNNING)
