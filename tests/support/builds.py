"""Builders for builds: what machines report of one, step by step."""

from datetime import UTC, datetime, timedelta
from functools import reduce

from domain.builds import commands as c
from domain.builds import events as e
from domain.builds.decide import decide
from domain.builds.events import Artifact, Requirements, Step, StepLog
from domain.builds.spec import BuildSpec, ImageSource, RpmSource, SourceFile
from domain.builds.state import Build, evolve

BID = "b-1"
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = "sha256:" + 64 * "a"
RPM = BuildSpec(
    name="hello",
    source=RpmSource(
        spec=SourceFile(name="hello.spec", digest=DIGEST, size=700),
        sources=(SourceFile(name="hello-2.12.tar.gz", digest=DIGEST, size=1_000),),
    ),
)
IMAGE = BuildSpec(
    name="web", source=ImageSource(context=SourceFile(name="context.tar", digest=DIGEST, size=10))
)
ARTIFACTS = (Artifact(name="hello-2.12-1.x86_64.rpm", kind="rpm", digest=DIGEST, size=5),)
SUBMIT = c.SubmitBuild(build_id=BID, spec=RPM, base_image="base:1")
SUBMIT_IMAGE = c.SubmitBuild(build_id=BID, spec=IMAGE, base_image="base:1")
CANCEL = c.CancelBuild(build_id=BID, reason="changed my mind")
RETRY = c.RetryBuild(build_id=BID)


def began(step: Step, number: int = 1, *, attempt: int = 1) -> c.RecordStepStarted:
    return c.RecordStepStarted(
        build_id=BID,
        attempt=attempt,
        step=step,
        round=number,
        engine_name=f"em-{BID}-{attempt}-{step}-{number}",
        image_id="sha256:1",
        started_at=T0,
    )


def ended(  # noqa: PLR0913 - one report in all its shapes
    step: Step,
    number: int = 1,
    *,
    exit_code: int = 0,
    attempt: int = 1,
    out_of_memory: bool = False,
    tail: tuple[str, ...] = (),
    errors: tuple[str, ...] = (),
) -> c.RecordStepFinished:
    return c.RecordStepFinished(
        build_id=BID,
        attempt=attempt,
        step=step,
        round=number,
        exit_code=exit_code,
        out_of_memory=out_of_memory,
        finished_at=T0 + timedelta(seconds=1),
        log=StepLog(size=sum(map(len, tail)), tail=tail, errors=errors),
    )


def rooted(
    step: Step, number: int = 1, *, attempt: int = 1, reused: bool = False
) -> c.RecordBuildRootPrepared:
    return c.RecordBuildRootPrepared(
        build_id=BID,
        attempt=attempt,
        step=step,
        round=number,
        key=f"key-of-{step}",
        image=f"eulermaker/{step}:1",
        image_id=f"sha256:{step}",
        packages_digest="",
        reused=reused,
    )


def requirements(*missing: str, final: bool = True) -> Requirements:
    return Requirements(
        package="hello",
        version="2.12",
        release="1",
        source_date_epoch=1_700_000_000,
        requires=missing,
        missing=missing,
        final=final,
    )


def resolved(
    *missing: str, number: int = 1, final: bool = True, attempt: int = 1
) -> c.RecordRequirementsResolved:
    return c.RecordRequirementsResolved(
        build_id=BID,
        attempt=attempt,
        round=number,
        requirements=requirements(*missing, final=final),
    )


def collected(attempt: int = 1) -> c.RecordArtifactsCollected:
    return c.RecordArtifactsCollected(build_id=BID, attempt=attempt, artifacts=ARTIFACTS)


def image_created(attempt: int = 1) -> c.RecordImageCreated:
    return c.RecordImageCreated(
        build_id=BID, attempt=attempt, image_id="sha256:9", image="eulermaker/web:1", size=9
    )


def stopped(attempt: int = 1) -> c.RecordBuildStopped:
    return c.RecordBuildStopped(build_id=BID, attempt=attempt)


def errored(attempt: int = 1, *, retryable: bool = True) -> c.RecordBuildErrored:
    return c.RecordBuildErrored(
        build_id=BID, attempt=attempt, step=None, reason="the engine broke", retryable=retryable
    )


def time_limit(limit: str = "wall", *, attempt: int = 1) -> c.ReachTimeLimit:
    assert limit in {"wall", "idle"}
    return c.ReachTimeLimit(
        build_id=BID, attempt=attempt, limit="wall" if limit == "wall" else "idle", seconds=60
    )


def to_rpmbuild(attempt: int = 1) -> tuple[c.BuildReport, ...]:
    """Everything of a simple build up to its last step, which is under way."""
    return (
        began(Step.TOOLCHAIN, attempt=attempt),
        ended(Step.TOOLCHAIN, attempt=attempt),
        rooted(Step.TOOLCHAIN, attempt=attempt),
        began(Step.RESOLVE, attempt=attempt),
        ended(Step.RESOLVE, attempt=attempt),
        resolved("gettext", attempt=attempt),
        began(Step.PREPARE, attempt=attempt),
        ended(Step.PREPARE, attempt=attempt),
        rooted(Step.PREPARE, attempt=attempt),
        began(Step.RPMBUILD, attempt=attempt),
    )


def events_of(*commands: c.BuildCommand) -> tuple[e.BuildEvent, ...]:
    """All events that these commands cause, one after the other."""
    state: Build | None = None
    events: list[e.BuildEvent] = []
    for command in commands:
        decided = decide(command, state)
        state = reduce(evolve, decided, state)
        events += decided
    return tuple(events)


def after(*commands: c.BuildCommand) -> Build:
    state = reduce(evolve, events_of(*commands), None)
    assert state is not None
    return state


UNDER_WAY: tuple[c.BuildCommand, ...] = (SUBMIT, *to_rpmbuild())
SUCCEEDED: tuple[c.BuildCommand, ...] = (*UNDER_WAY, ended(Step.RPMBUILD), collected())
ENDS: dict[str, tuple[c.BuildCommand, ...]] = {
    "succeeded": SUCCEEDED,
    "failed": (*UNDER_WAY, ended(Step.RPMBUILD, exit_code=1)),
    "errored": (*UNDER_WAY, errored()),
    "timed-out": (*UNDER_WAY, time_limit(), stopped()),
    "cancelled": (*UNDER_WAY, CANCEL, stopped()),
}
