"""What can have happened to a build. `attempt` counts from 1; a retry adds one."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from domain.builds.spec import BuildSpec
from domain.event import Event


class Step(StrEnum):
    """toolchain: what every RPM build starts from; resolve: what the spec requires;
    prepare: the build root; rpmbuild and image: the work itself."""

    TOOLCHAIN = "toolchain"
    RESOLVE = "resolve"
    PREPARE = "prepare"
    RPMBUILD = "rpmbuild"
    IMAGE = "image"


class StepLog(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: size in bytes, SHA-256 over the bytes in order, chunks stored, last lines.

    errors: the first lines that look like an error, see `domain.builds.diagnosis`.
    truncated: the step wrote more than is kept, or perhaps did.
    """

    size: int = 0
    digest: str = ""
    chunks: int = 0
    tail: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    truncated: bool = False


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """What the spec says of itself, as rpm in the base image reads it.

    missing: what the base image lacks, over all rounds so far. final: no round can add to it.
    """

    package: str
    version: str
    release: str
    source_date_epoch: int
    requires: tuple[str, ...]
    missing: tuple[str, ...]
    final: bool = True


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """kind: rpm, srpm, dockerfile. size in bytes."""

    name: str
    kind: Literal["rpm", "srpm", "dockerfile"]
    digest: str
    size: int


class BuildSubmitted(Event, frozen=True, kw_only=True):
    build_id: str
    spec: BuildSpec
    base_image: str


class BuildRetried(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    spec: BuildSpec
    base_image: str


class BuildStepStarted(Event, frozen=True, kw_only=True):
    """image_id: what the step ran from; engine_name: the container, empty for image builds."""

    build_id: str
    attempt: int
    step: Step
    round: int
    engine_name: str
    image_id: str
    started_at: datetime


class BuildStepFinished(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    step: Step
    round: int
    exit_code: int
    out_of_memory: bool
    finished_at: datetime
    log: StepLog


class BuildRequirementsResolved(Event, frozen=True, kw_only=True):
    """round counts from 1; generated BuildRequires may need several."""

    build_id: str
    attempt: int
    round: int
    requirements: Requirements


class BuildRootPrepared(Event, frozen=True, kw_only=True):
    """step: toolchain or prepare. key: of the image, see `domain.builds.recipe`.

    reused: it was there already.

    packages_digest: over the sorted list of installed packages and their header digests.
    """

    build_id: str
    attempt: int
    step: Step
    round: int
    key: str
    image: str
    image_id: str
    packages_digest: str
    reused: bool


class BuildArtifactsCollected(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    artifacts: tuple[Artifact, ...]


class BuildImageCreated(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    image_id: str
    image: str
    size: int


class BuildSucceeded(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int


class BuildFailed(Event, frozen=True, kw_only=True):
    """The user's fault, and why: no need to read the whole log.

    phase: of the spec (%prep, %build, %check …) where it is known.
    unresolved: BuildRequires that nothing provides.
    """

    build_id: str
    attempt: int
    step: Step
    exit_code: int | None
    reason: str
    phase: str = ""
    log_tail: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()


class BuildErrored(Event, frozen=True, kw_only=True):
    """The system's fault: trying again may succeed when `retryable`.

    exit_code: of the step, where that is what told of the fault.
    """

    build_id: str
    attempt: int
    step: Step | None
    reason: str
    retryable: bool
    log_tail: tuple[str, ...] = ()
    exit_code: int | None = None


class BuildCancelRequested(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    reason: str


class BuildCancelled(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    step: Step | None = None
    log_tail: tuple[str, ...] = ()


class BuildTimeLimitReached(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    limit: Literal["wall", "idle"]
    seconds: int


class BuildTimedOut(Event, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    limit: Literal["wall", "idle"]
    seconds: int
    step: Step | None = None
    log_tail: tuple[str, ...] = ()


BuildEvent = (
    BuildSubmitted
    | BuildRetried
    | BuildStepStarted
    | BuildStepFinished
    | BuildRequirementsResolved
    | BuildRootPrepared
    | BuildArtifactsCollected
    | BuildImageCreated
    | BuildSucceeded
    | BuildFailed
    | BuildErrored
    | BuildCancelRequested
    | BuildCancelled
    | BuildTimeLimitReached
    | BuildTimedOut
)
