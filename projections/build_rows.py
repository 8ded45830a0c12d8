"""What is shown of a build: list, details, attempts, steps, artifacts, and why it failed."""

from datetime import datetime
from typing import Literal

import msgspec

from domain.builds.events import Artifact, Requirements, Step
from domain.builds.spec import BuildSpec
from domain.builds.state import Phase


class LogSummary(msgspec.Struct, frozen=True, kw_only=True):
    """size in bytes; digest over all bytes; truncated: more was written than is kept."""

    size: int
    digest: str
    chunks: int
    truncated: bool
    errors: tuple[str, ...] = ()


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a step. image_id: what it ran from."""

    step: Step
    round: int
    engine_name: str
    image_id: str
    started_at: datetime
    finished_at: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    log: LogSummary | None = None


class SteppingBuild(msgspec.Struct, frozen=True, kw_only=True):
    """A build whose step should have a container in the engine."""

    tenant: str
    build_id: str


class BuildRoot(msgspec.Struct, frozen=True, kw_only=True):
    """An image that was built in, by its content key. reused: it was there already."""

    key: str
    image: str
    image_id: str
    packages_digest: str
    reused: bool


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt did not succeed.

    fault: the user's (the package must change), or the system's (it may work another time).
    phase: of the spec (%prep, %build, %check …) where it is known.
    unresolved: BuildRequires that nothing provides.
    """

    fault: Literal["user", "system"]
    reason: str
    step: Step | None = None
    phase: str = ""
    exit_code: int | None = None
    retryable: bool = False
    log_tail: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()


class BuiltImage(msgspec.Struct, frozen=True, kw_only=True):
    image: str
    image_id: str
    size: int


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """failure: also why it was cancelled or ran out of time."""

    attempt: int
    phase: Phase
    submitted_at: datetime
    ended_at: datetime | None = None
    steps: tuple[StepRow, ...] = ()
    requirements: Requirements | None = None
    toolchain: BuildRoot | None = None
    root: BuildRoot | None = None
    artifacts: tuple[Artifact, ...] = ()
    image: BuiltImage | None = None
    failure: Failure | None = None


class BuildRow(msgspec.Struct, frozen=True, kw_only=True):
    """package: `name-version-release` once the spec was read. reason: of the last failure.

    version: of the stream, for `If-Match`. position: of the last event about it.
    created_position: of its first event; lists show the newest first by it.
    """

    tenant: str
    build_id: str
    name: str
    kind: Literal["rpm", "image"]
    phase: Phase
    attempt: int
    step: Step | None = None
    package: str = ""
    reason: str = ""
    artifact_count: int = 0
    created_at: datetime
    created_by: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    changed_at: datetime
    version: int
    position: int
    created_position: int


class BuildDetails(BuildRow, frozen=True, kw_only=True):
    """attempts: oldest first; the last one is what `phase` speaks of."""

    spec: BuildSpec
    base_image: str
    attempts: tuple[Attempt, ...]

    @property
    def current(self) -> Attempt:
        return self.attempts[-1]
