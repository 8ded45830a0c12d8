"""Builds: the list, and the details of each with attempts, steps and artifacts."""

from datetime import datetime
from typing import Any, get_args

import msgspec

from domain.builds import events as e
from domain.builds.spec import RpmSource
from domain.builds.state import Build, Phase, RootImage, evolve
from domain.event import RecordedEvent
from projections.build_rows import (
    Attempt,
    BuildDetails,
    BuildRoot,
    BuiltImage,
    Failure,
    LogSummary,
    StepRow,
)
from projections.model import Key, ReadModel
from projections.sql import blocks

replace = msgspec.structs.replace


def project(row: BuildDetails | None, recorded: RecordedEvent) -> BuildDetails | None:
    event = recorded.event
    if not isinstance(event, e.BuildEvent):
        return row
    if row is None:
        return _begin(event, recorded) if isinstance(event, e.BuildSubmitted) else None
    at = recorded.recorded_at
    if isinstance(event, e.BuildRetried):
        attempts = (*row.attempts, _attempt(event.attempt, at))
    else:
        phase = evolve(_state(row), event).phase
        advanced = _advance(replace(row.current, phase=phase), event, at)
        attempts = (*row.attempts[:-1], advanced)
    return replace(
        row,
        attempts=attempts,
        changed_at=at,
        version=recorded.version,
        position=recorded.position,
        **_summary(attempts[-1]),
    )


def _begin(event: e.BuildSubmitted, recorded: RecordedEvent) -> BuildDetails:
    attempt = _attempt(1, recorded.recorded_at)
    return BuildDetails(
        tenant=recorded.tenant,
        build_id=event.build_id,
        name=event.spec.name,
        kind="rpm" if isinstance(event.spec.source, RpmSource) else "image",
        created_at=recorded.recorded_at,
        created_by=recorded.actor,
        changed_at=recorded.recorded_at,
        version=recorded.version,
        position=recorded.position,
        created_position=recorded.position,
        spec=event.spec,
        base_image=event.base_image,
        attempts=(attempt,),
        **_summary(attempt),
    )


def _attempt(number: int, at: datetime) -> Attempt:
    return Attempt(attempt=number, phase=Phase.SUBMITTED, submitted_at=at)


def _summary(attempt: Attempt) -> dict[str, Any]:
    """What the list shows of the present attempt."""
    steps, read, failure = attempt.steps, attempt.requirements, attempt.failure
    return {
        "phase": attempt.phase,
        "attempt": attempt.attempt,
        "step": steps[-1].step if steps else None,
        "package": f"{read.package}-{read.version}-{read.release}" if read else "",
        "reason": failure.reason if failure else "",
        "artifact_count": len(attempt.artifacts) + (attempt.image is not None),
        "started_at": steps[0].started_at if steps else None,
        "ended_at": attempt.ended_at,
    }


def _state(row: BuildDetails) -> Build:
    """What the aggregate knows of itself: its own rules say which phase comes next."""
    current = row.current
    return Build(
        build_id=row.build_id,
        spec=row.spec,
        base_image=row.base_image,
        phase=current.phase,
        version=row.version,
        attempt=current.attempt,
        step=row.step,
        round=current.steps[-1].round if current.steps else 1,
        requirements=current.requirements,
        toolchain=_image(current.toolchain),
        root=_image(current.root),
        artifacts=current.artifacts,
        image_id=current.image.image_id if current.image else "",
    )


def _image(root: BuildRoot | None) -> RootImage | None:
    if root is None:
        return None
    return RootImage(key=root.key, image=root.image, image_id=root.image_id)


def _advance(attempt: Attempt, event: e.BuildEvent, at: datetime) -> Attempt:
    match event:
        case e.BuildSubmitted() | e.BuildRetried():
            return attempt
        case e.BuildStepStarted():
            return replace(attempt, steps=(*attempt.steps, _started(event)))
        case e.BuildStepFinished():
            return _finished(attempt, event)
        case e.BuildRequirementsResolved(requirements=requirements):
            return replace(attempt, requirements=requirements)
        case e.BuildRootPrepared():
            return _rooted(attempt, event)
        case e.BuildArtifactsCollected(artifacts=artifacts):
            return replace(attempt, artifacts=artifacts)
        case e.BuildImageCreated():
            image = BuiltImage(image=event.image, image_id=event.image_id, size=event.size)
            return replace(attempt, image=image)
        case e.BuildSucceeded():
            return _end(attempt, at)
        case e.BuildFailed() | e.BuildErrored() | e.BuildCancelled() | e.BuildTimedOut():
            return _fail(attempt, event, at)
        case e.BuildCancelRequested(reason=reason):
            failure = Failure(fault="user", reason=reason or "Cancelled.")
            return replace(attempt, failure=failure)
        case e.BuildTimeLimitReached(limit=limit, seconds=seconds):
            failure = Failure(fault="user", reason=_limit_reached(limit, seconds))
            return replace(attempt, failure=failure)


def _fail(
    attempt: Attempt,
    event: e.BuildFailed | e.BuildErrored | e.BuildCancelled | e.BuildTimedOut,
    at: datetime,
) -> Attempt:
    match event:
        case e.BuildFailed():
            failure = Failure(
                fault="user",
                reason=event.reason,
                step=event.step,
                phase=event.phase,
                exit_code=event.exit_code,
                log_tail=event.log_tail,
                unresolved=event.unresolved,
            )
            return _end(attempt, at, failure)
        case e.BuildErrored():
            failure = Failure(
                fault="system",
                reason=event.reason,
                step=event.step,
                exit_code=event.exit_code,
                retryable=event.retryable,
                log_tail=event.log_tail,
            )
            return _end(attempt, at, failure)
        case e.BuildCancelled():
            asked = attempt.failure or Failure(fault="user", reason="Cancelled.")
            return _end(attempt, at, replace(asked, step=event.step, log_tail=event.log_tail))
        case e.BuildTimedOut():
            failure = Failure(
                fault="user",
                reason=_limit_reached(event.limit, event.seconds),
                step=event.step,
                log_tail=event.log_tail,
            )
            return _end(attempt, at, failure)


def _end(attempt: Attempt, at: datetime, failure: Failure | None = None) -> Attempt:
    return replace(attempt, ended_at=at, failure=failure)


def _limit_reached(limit: str, seconds: int) -> str:
    what = "took longer than" if limit == "wall" else "wrote no line of log for"
    return f"The build {what} {seconds} s."


def _started(event: e.BuildStepStarted) -> StepRow:
    return StepRow(
        step=event.step,
        round=event.round,
        engine_name=event.engine_name,
        image_id=event.image_id,
        started_at=event.started_at,
    )


def _finished(attempt: Attempt, event: e.BuildStepFinished) -> Attempt:
    log = LogSummary(
        size=event.log.size,
        digest=event.log.digest,
        chunks=event.log.chunks,
        truncated=event.log.truncated,
        errors=event.log.errors,
    )
    steps = tuple(
        replace(
            step,
            finished_at=event.finished_at,
            exit_code=event.exit_code,
            out_of_memory=event.out_of_memory,
            log=log,
        )
        if (step.step, step.round, step.finished_at) == (event.step, event.round, None)
        else step
        for step in attempt.steps
    )
    return replace(attempt, steps=steps)


def _rooted(attempt: Attempt, event: e.BuildRootPrepared) -> Attempt:
    root = BuildRoot(
        key=event.key,
        image=event.image,
        image_id=event.image_id,
        packages_digest=event.packages_digest,
        reused=event.reused,
    )
    if event.step is e.Step.TOOLCHAIN:
        return replace(attempt, toolchain=root)
    return replace(attempt, root=root)


def key_of(recorded: RecordedEvent) -> Key | None:
    event = recorded.event
    if isinstance(event, e.BuildEvent):
        return recorded.tenant, event.build_id
    return None


BUILDS = ReadModel(
    name="builds",
    code_version=1,
    row=BuildDetails,
    key=("tenant", "build_id"),
    key_of=key_of,
    project=project,
    sql=blocks("builds.sql"),
    events=frozenset(get_args(e.BuildEvent)),
)
