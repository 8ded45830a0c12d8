"""A build as its events tell it."""

from enum import StrEnum
from typing import Literal

import msgspec

from domain.builds.events import (
    Artifact,
    BuildArtifactsCollected,
    BuildCancelled,
    BuildCancelRequested,
    BuildErrored,
    BuildEvent,
    BuildFailed,
    BuildImageCreated,
    BuildRequirementsResolved,
    BuildRetried,
    BuildRootPrepared,
    BuildStepFinished,
    BuildStepStarted,
    BuildSubmitted,
    BuildSucceeded,
    BuildTimedOut,
    BuildTimeLimitReached,
    Requirements,
    Step,
)
from domain.builds.spec import BuildSpec


class Phase(StrEnum):
    SUBMITTED = "submitted"
    RESOLVING = "resolving"
    PREPARING = "preparing"
    BUILDING = "building"
    COLLECTING = "collecting"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ERRORED = "errored"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"


ENDED = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ERRORED, Phase.TIMED_OUT, Phase.CANCELLED})


class RootImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image to build in, by its content key."""

    key: str
    image: str
    image_id: str


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """step, round: what is under way or, if step_ended, was last. root: the prepared build root.

    limit_reached: why the build is being stopped, None when somebody cancelled it.
    """

    build_id: str
    spec: BuildSpec
    base_image: str
    phase: Phase = Phase.SUBMITTED
    version: int = 1
    attempt: int = 1
    step: Step | None = None
    round: int = 1
    step_ended: bool = False
    requirements: Requirements | None = None
    toolchain: RootImage | None = None
    root: RootImage | None = None
    artifacts: tuple[Artifact, ...] = ()
    image_id: str = ""
    log_tail: tuple[str, ...] = ()
    limit_reached: tuple[Literal["wall", "idle"], int] | None = None

    @property
    def ended(self) -> bool:
        return self.phase in ENDED


STEP_PHASE = {
    Step.TOOLCHAIN: Phase.RESOLVING,
    Step.RESOLVE: Phase.RESOLVING,
    Step.PREPARE: Phase.PREPARING,
    Step.RPMBUILD: Phase.BUILDING,
    Step.IMAGE: Phase.BUILDING,
}


def evolve(state: Build | None, event: BuildEvent) -> Build:
    if isinstance(event, BuildSubmitted):
        return Build(build_id=event.build_id, spec=event.spec, base_image=event.base_image)
    if state is None:
        raise ValueError(f"The first event of a build is {type(event).__name__}")
    return _apply(msgspec.structs.replace(state, version=state.version + 1), event)


def _apply(state: Build, event: BuildEvent) -> Build:
    change = msgspec.structs.replace
    match event:
        case BuildSubmitted():
            return state
        case BuildRetried(attempt=attempt):
            return Build(
                build_id=state.build_id,
                spec=state.spec,
                base_image=state.base_image,
                version=state.version,
                attempt=attempt,
            )
        case BuildStepStarted(step=step, round=number):
            phase = STEP_PHASE[step]
            return change(state, phase=phase, step=step, round=number, step_ended=False)
        case BuildStepFinished(step=step, exit_code=exit_code, log=log):
            collecting = step is Step.RPMBUILD and exit_code == 0
            phase = Phase.COLLECTING if collecting else state.phase
            return change(state, phase=phase, step_ended=True, log_tail=log.tail)
        case BuildRequirementsResolved(requirements=requirements):
            return change(state, phase=Phase.PREPARING, requirements=requirements)
        case BuildRootPrepared():
            return _rooted(state, event)
        case BuildArtifactsCollected(artifacts=artifacts):
            return change(state, artifacts=artifacts)
        case BuildImageCreated(image_id=image_id):
            return change(state, image_id=image_id)
        case BuildCancelRequested():
            return change(state, phase=Phase.STOPPING, limit_reached=None)
        case BuildTimeLimitReached(limit=limit, seconds=seconds):
            return change(state, phase=Phase.STOPPING, limit_reached=(limit, seconds))
        case BuildSucceeded():
            return change(state, phase=Phase.SUCCEEDED)
        case BuildFailed():
            return change(state, phase=Phase.FAILED)
        case BuildErrored():
            return change(state, phase=Phase.ERRORED)
        case BuildCancelled():
            return change(state, phase=Phase.CANCELLED)
        case BuildTimedOut():
            return change(state, phase=Phase.TIMED_OUT)


def _rooted(state: Build, event: BuildRootPrepared) -> Build:
    root = RootImage(key=event.key, image=event.image, image_id=event.image_id)
    if event.step is Step.TOOLCHAIN:
        return msgspec.structs.replace(state, phase=Phase.RESOLVING, toolchain=root)
    final = state.requirements is not None and state.requirements.final
    phase = Phase.BUILDING if final else Phase.RESOLVING
    return msgspec.structs.replace(state, phase=phase, root=root)
