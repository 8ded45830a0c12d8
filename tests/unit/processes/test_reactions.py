"""From each event to what is to be done about it: always the same, and nothing for the rest."""

from typing import get_args

import msgspec
import pytest

from domain.builds import events as b
from domain.builds.events import Step
from domain.builds.state import evolve
from domain.containers import events as e
from domain.containers.spec import SecretVariable
from domain.processes import build_pipeline, container_lifecycle
from domain.processes import effects as f
from domain.processes.build_pipeline import MAX_AUTOMATIC_ATTEMPTS
from domain.processes.effects import NOTHING, Reaction
from tests.support.builds import (
    CANCEL,
    ENDS,
    SUBMIT,
    SUBMIT_IMAGE,
    SUCCEEDED,
    UNDER_WAY,
    errored,
    events_of,
    time_limit,
)
from tests.support.containers import CID, IN_STATUS, MORE, REQUESTED, SPEC, after

KILL = e.ContainerKillRequested(container_id=CID, signal="KILL")
HANGUP = e.ContainerKillRequested(container_id=CID, signal="HUP")
INTENTS: tuple[tuple[e.ContainerIntent, type[f.ContainerEffect], bool], ...] = (
    (REQUESTED, f.CreateEngineContainer, False),
    (e.ContainerStartRequested(container_id=CID), f.StartEngineContainer, False),
    (e.ContainerStopRequested(container_id=CID, grace_seconds=3), f.StopEngineContainer, True),
    (
        e.ContainerRestartRequested(container_id=CID, grace_seconds=3),
        f.RestartEngineContainer,
        False,
    ),
    (e.ContainerPauseRequested(container_id=CID), f.PauseEngineContainer, False),
    (e.ContainerUnpauseRequested(container_id=CID), f.UnpauseEngineContainer, False),
    (KILL, f.KillEngineContainer, True),
    (HANGUP, f.KillEngineContainer, False),
    (
        e.ContainerLimitsChangeRequested(container_id=CID, limits=MORE),
        f.UpdateEngineContainer,
        False,
    ),
    (e.ContainerRemovalRequested(container_id=CID, force=True), f.RemoveEngineContainer, True),
)


def test_every_intent_of_a_container_is_here() -> None:
    assert {type(intent) for intent, *_ in INTENTS} == set(get_args(e.ContainerIntent))


@pytest.mark.parametrize(("intent", "effect", "supersedes"), INTENTS)
def test_an_intent_is_one_effect_that_names_it(
    intent: e.ContainerIntent, effect: type[f.ContainerEffect], *, supersedes: bool
) -> None:
    reaction = container_lifecycle.react(intent, 7)
    (planned,) = reaction.effects
    assert type(planned.effect) is effect
    assert isinstance(planned.effect, f.ContainerEffect)
    assert (planned.effect.container_id, planned.effect.intent) == (CID, 7)
    assert reaction.supersedes is supersedes
    assert planned.delay_seconds == 0


def test_outcomes_and_observations_of_a_container_ask_for_nothing() -> None:
    for events in IN_STATUS.values():
        for event in events:
            if not isinstance(event, e.ContainerIntent | e.ContainerOperationFailed):
                assert container_lifecycle.react(event, 2) == NOTHING


@pytest.mark.parametrize(
    "gone",
    [e.ContainerRemoved(container_id=CID, intent=5), e.ContainerDisappeared(container_id=CID)],
)
def test_the_secrets_of_a_container_that_is_gone_are_erased(
    gone: e.ContainerRemoved | e.ContainerDisappeared,
) -> None:
    secrets = tuple(SecretVariable(name=name, reference=f"secret-{name}", hmac="") for name in "AB")
    spec = msgspec.structs.replace(SPEC, secrets=secrets)
    state = after(e.ContainerRequested(container_id=CID, spec=spec), gone)
    (planned,) = container_lifecycle.react(gone, 2, state).effects
    assert planned.effect == f.EraseSecrets(container_id=CID, references=("secret-A", "secret-B"))
    assert container_lifecycle.react(gone, 2, after(REQUESTED, gone)) == NOTHING


def test_what_cannot_be_created_is_not_started() -> None:
    failed = e.ContainerOperationFailed(
        container_id=CID, intent=1, operation="create", reason=SPEC.image
    )
    assert container_lifecycle.react(failed, 3) == Reaction(supersedes=True)


def reactions(*events: b.BuildEvent) -> list[Reaction]:
    state, found = None, list[Reaction]()
    for event in events:
        state = evolve(state, event)
        found.append(build_pipeline.react(event, state))
    return found


def effects(*events: b.BuildEvent) -> list[str]:
    return [type(p.effect).__name__ for r in reactions(*events) for p in r.effects]


def test_an_rpm_build_is_driven_from_step_to_step() -> None:
    assert effects(*events_of(*SUCCEEDED)) == [
        "EnsureRoot",
        "SendCommand",
        "CommitRoot",
        "RunStep",
        "ReadRequirements",
        "EnsureRoot",
        "CommitRoot",
        "RunStep",
        "CollectArtifacts",
        "SweepBuild",
    ]


def test_reactions_are_the_same_each_time() -> None:
    events = events_of(*SUCCEEDED)
    assert reactions(*events) == reactions(*events)


@pytest.mark.parametrize("submit", [SUBMIT, SUBMIT_IMAGE])
def test_every_attempt_has_a_limit_that_holds_up_nothing(submit: object) -> None:
    assert submit in (SUBMIT, SUBMIT_IMAGE)
    (reaction,) = reactions(*events_of(SUBMIT if submit is SUBMIT else SUBMIT_IMAGE))
    first, timer = reaction.effects
    assert first.delay_seconds == 0
    assert timer.delay_seconds == SUBMIT.spec.wall_seconds
    assert isinstance(timer.effect, f.SendCommand)


@pytest.mark.parametrize("end", ENDS)
def test_an_end_supersedes_what_was_to_be_done_and_sweeps(end: str) -> None:
    *_, last = reactions(*events_of(*ENDS[end]))
    assert last.supersedes
    assert isinstance(last.effects[0].effect, f.SweepBuild)


@pytest.mark.parametrize("stop", [CANCEL, time_limit()])
def test_a_stop_supersedes_what_was_to_be_done(stop: object) -> None:
    *_, last = reactions(*events_of(*UNDER_WAY, CANCEL if stop is CANCEL else time_limit()))
    assert last == f.do(f.StopBuild(build_id="b-1", attempt=1), supersedes=True)


@pytest.mark.parametrize(("attempt", "retried"), [(1, True), (2, True), (3, False)])
def test_a_fault_of_the_system_is_tried_again_a_few_times(attempt: int, *, retried: bool) -> None:
    assert MAX_AUTOMATIC_ATTEMPTS == 3
    state = evolve(None, events_of(SUBMIT)[0])
    event = b.BuildErrored(
        build_id="b-1", attempt=attempt, step=Step.PREPARE, reason="network", retryable=True
    )
    later = [p for p in build_pipeline.react(event, state).effects if p.delay_seconds]
    assert bool(later) is retried


def test_what_would_fail_again_is_not_tried_again() -> None:
    *_, last = reactions(*events_of(*UNDER_WAY, errored(retryable=False)))
    assert len(last.effects) == 1


def test_a_step_that_failed_asks_for_nothing() -> None:
    assert effects(*events_of(*ENDS["failed"]))[-1] == "SweepBuild"
    assert reactions(*events_of(*ENDS["failed"]))[-2] == NOTHING
