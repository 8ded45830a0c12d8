"""A build from its submission to its end, and everything that may come in between."""

import msgspec
import pytest

from domain.builds import commands as c
from domain.builds import events as e
from domain.builds.decide import MAX_ROUNDS, decide
from domain.builds.events import Step
from domain.builds.spec import RpmSource, SourceFile
from domain.builds.state import Phase
from domain.errors import Refusal, UnknownStream
from tests.support.builds import (
    ARTIFACTS,
    BID,
    CANCEL,
    DIGEST,
    ENDS,
    RETRY,
    RPM,
    SUBMIT,
    SUBMIT_IMAGE,
    SUCCEEDED,
    UNDER_WAY,
    after,
    began,
    collected,
    ended,
    errored,
    events_of,
    image_created,
    resolved,
    rooted,
    stopped,
    time_limit,
    to_rpmbuild,
)


def names(*commands: c.BuildCommand) -> list[str]:
    return [type(event).__name__.removeprefix("Build") for event in events_of(*commands)]


def test_an_rpm_build_goes_from_step_to_step_to_its_artifacts() -> None:
    step = ["StepStarted", "StepFinished"]
    assert names(*SUCCEEDED) == [
        "Submitted",
        *step,
        "RootPrepared",
        *step,
        "RequirementsResolved",
        *step,
        "RootPrepared",
        *step,
        "ArtifactsCollected",
        "Succeeded",
    ]
    build = after(*SUCCEEDED)
    assert (build.phase, build.ended, build.artifacts) == (Phase.SUCCEEDED, True, ARTIFACTS)


def test_the_phase_tells_what_is_going_on() -> None:
    phases = [after(*SUCCEEDED[:n]).phase.value for n in range(1, len(SUCCEEDED) + 1)]
    assert list(dict.fromkeys(phases)) == [
        "submitted",
        "resolving",
        "preparing",
        "building",
        "collecting",
        "succeeded",
    ]


def test_roots_that_are_there_already_take_no_steps() -> None:
    build = after(
        SUBMIT,
        rooted(Step.TOOLCHAIN, reused=True),
        began(Step.RESOLVE),
        ended(Step.RESOLVE),
        resolved(),
        rooted(Step.PREPARE, reused=True),
        began(Step.RPMBUILD),
        ended(Step.RPMBUILD),
        collected(),
    )
    assert build.phase is Phase.SUCCEEDED


def test_an_image_build_is_one_step() -> None:
    commands = (SUBMIT_IMAGE, began(Step.IMAGE), ended(Step.IMAGE), image_created())
    assert names(*commands) == [
        "Submitted",
        "StepStarted",
        "StepFinished",
        "ImageCreated",
        "Succeeded",
    ]
    assert after(*commands).image_id == "sha256:9"


def _rounds(count: int, *, last_is_final: bool) -> tuple[c.BuildCommand, ...]:
    """Each round finds one more requirement than the one before."""
    commands: list[c.BuildCommand] = [SUBMIT, rooted(Step.TOOLCHAIN)]
    for number in range(1, count + 1):
        final = last_is_final and number == count
        missing = () if final else (f"generated({number})",)
        commands += [
            began(Step.RESOLVE, number),
            ended(Step.RESOLVE, number),
            resolved(*missing, number=number, final=final),
        ]
        if final or number < count:
            commands.append(rooted(Step.PREPARE, number))
    return tuple(commands)


def test_generated_requirements_gather_over_the_rounds() -> None:
    build = after(*_rounds(3, last_is_final=True))
    assert build.requirements is not None
    assert build.requirements.missing == ("generated(1)", "generated(2)")
    assert build.phase is Phase.BUILDING
    assert after(*_rounds(3, last_is_final=True), began(Step.RPMBUILD)).step is Step.RPMBUILD


def test_between_two_rounds_the_build_is_resolving() -> None:
    assert after(*_rounds(2, last_is_final=True)[:-4]).phase is Phase.RESOLVING


def test_requirements_that_never_end_are_the_specs_fault() -> None:
    *_, resolved_event, failed = events_of(*_rounds(MAX_ROUNDS, last_is_final=False))
    assert isinstance(resolved_event, e.BuildRequirementsResolved)
    assert isinstance(failed, e.BuildFailed)
    assert f"{MAX_ROUNDS} rounds" in failed.reason
    assert failed.step is Step.RESOLVE


def test_files_of_one_build_have_names_of_their_own() -> None:
    source = SourceFile(name="a.patch", digest=DIGEST, size=1)
    spec = msgspec.structs.replace(
        RPM, source=RpmSource(spec=SourceFile(name="a.spec", digest=DIGEST, size=1),
                              sources=(source, source)),
    )  # fmt: skip
    with pytest.raises(Refusal, match="file-names-are-unique"):
        decide(c.SubmitBuild(build_id=BID, spec=spec, base_image="base:1"), None)


def test_an_id_is_used_once() -> None:
    with pytest.raises(Refusal, match="build-id-is-new") as refusal:
        decide(SUBMIT, after(SUBMIT))
    assert refusal.value.state == "submitted"


@pytest.mark.parametrize("command", [CANCEL, RETRY, stopped(), errored()])
def test_no_command_finds_a_build_that_never_was(command: c.BuildCommand) -> None:
    with pytest.raises(UnknownStream, match="build b-1"):
        decide(command, None)


@pytest.mark.parametrize("count", range(1, len(SUCCEEDED)))
def test_a_build_can_be_cancelled_at_any_time_before_its_end(count: int) -> None:
    commands = (*SUCCEEDED[:count], CANCEL)
    assert after(*commands).phase is Phase.STOPPING
    assert names(*commands)[-1] == "CancelRequested"
    assert names(*commands, stopped())[-1] == "Cancelled"


def test_what_is_being_stopped_is_not_stopped_again() -> None:
    assert decide(CANCEL, after(*UNDER_WAY, CANCEL)) == ()
    assert decide(time_limit(), after(*UNDER_WAY, CANCEL)) == ()
    assert decide(CANCEL, after(*UNDER_WAY, time_limit())) == ()


@pytest.mark.parametrize("limit", ["wall", "idle"])
def test_a_build_that_takes_too_long_is_stopped_and_says_which_limit_it_was(limit: str) -> None:
    *_, reached, timed_out = events_of(*UNDER_WAY, time_limit(limit), stopped())
    assert isinstance(reached, e.BuildTimeLimitReached)
    assert isinstance(timed_out, e.BuildTimedOut)
    assert (timed_out.limit, timed_out.seconds) == (limit, 60)
    assert timed_out.step is Step.RPMBUILD


@pytest.mark.parametrize(
    "late", [ended(Step.RPMBUILD), collected(), errored(), began(Step.PREPARE)]
)
def test_while_a_build_is_being_stopped_no_report_changes_its_course(late: c.BuildReport) -> None:
    assert decide(late, after(*UNDER_WAY, CANCEL)) == ()


@pytest.mark.parametrize("end", ENDS)
def test_an_ended_build_cannot_be_cancelled(end: str) -> None:
    with pytest.raises(Refusal, match="cancel-needs-a-build-under-way") as refusal:
        decide(CANCEL, after(*ENDS[end]))
    assert refusal.value.state == end


@pytest.mark.parametrize("end", ENDS)
def test_no_report_changes_a_build_that_has_ended(end: str) -> None:
    state = after(*ENDS[end])
    late = (*SUCCEEDED[1:], stopped(), errored(), time_limit(), time_limit("idle"))
    assert [decide(report, state) for report in late] == [()] * len(late)


@pytest.mark.parametrize("end", sorted(set(ENDS) - {"succeeded"}))
def test_a_retry_begins_from_the_start_and_counts(end: str) -> None:
    build = after(*ENDS[end], RETRY)
    assert (build.phase, build.attempt, build.step) == (Phase.SUBMITTED, 2, None)
    assert (build.requirements, build.root, build.toolchain) == (None, None, None)
    again = (*to_rpmbuild(2), ended(Step.RPMBUILD, attempt=2), collected(2))
    assert after(*ENDS[end], RETRY, *again).phase is Phase.SUCCEEDED


@pytest.mark.parametrize("commands", [SUCCEEDED, UNDER_WAY, (*UNDER_WAY, CANCEL)])
def test_only_an_ended_build_without_success_is_tried_again(
    commands: tuple[c.BuildCommand, ...],
) -> None:
    with pytest.raises(Refusal, match="retry-needs-an-ended-build-without-success") as refusal:
        decide(RETRY, after(*commands))
    assert refusal.value.state == after(*commands).phase


def test_a_retry_of_an_attempt_that_was_followed_by_another_does_nothing() -> None:
    retry_first = c.RetryBuild(build_id=BID, attempt=1)
    state = after(*ENDS["failed"], retry_first, errored(2))
    assert decide(retry_first, state) == ()
    assert decide(c.RetryBuild(build_id=BID, attempt=2), state) != ()


def test_reports_of_an_old_attempt_change_nothing() -> None:
    state = after(*ENDS["failed"], RETRY)
    late = (*SUCCEEDED[1:], stopped(), errored(), time_limit())
    assert [decide(report, state) for report in late] == [()] * len(late)


@pytest.mark.parametrize("count", range(2, len(UNDER_WAY) + 1))
def test_a_report_that_comes_twice_counts_once(count: int) -> None:
    assert decide(UNDER_WAY[count - 1], after(*UNDER_WAY[:count])) == ()


@pytest.mark.parametrize("late", UNDER_WAY[1:])
def test_no_report_of_an_earlier_step_takes_the_build_back(late: c.BuildCommand) -> None:
    assert decide(late, after(*UNDER_WAY)) == ()
    assert decide(late, after(*UNDER_WAY, ended(Step.RPMBUILD))) == ()


def test_no_report_of_an_earlier_round_takes_the_build_back() -> None:
    commands = _rounds(3, last_is_final=True)
    for late in commands[1:-1]:
        assert decide(late, after(*commands)) == ()


def test_artifacts_come_only_from_a_build_that_succeeded() -> None:
    assert decide(collected(), after(*UNDER_WAY)) == ()
    assert decide(image_created(), after(SUBMIT_IMAGE)) == ()


def test_an_input_that_cannot_be_used_is_the_users_fault() -> None:
    refused = c.RecordBuildRefused(
        build_id=BID, attempt=1, step=Step.TOOLCHAIN, reason="no such image", log_tail=("x",)
    )
    *_, failed = events_of(SUBMIT, refused)
    assert failed == e.BuildFailed(
        build_id=BID,
        attempt=1,
        step=Step.TOOLCHAIN,
        exit_code=None,
        reason="no such image",
        log_tail=("x",),
    )


def test_a_fault_of_the_system_is_no_failure() -> None:
    *_, error = events_of(*UNDER_WAY, errored(retryable=False))
    assert isinstance(error, e.BuildErrored)
    assert not error.retryable
