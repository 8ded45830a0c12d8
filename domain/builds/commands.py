"""What may be asked of a build, and what the executor and the observers report of it."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from domain.builds.events import Artifact, Requirements, Step, StepLog
from domain.builds.spec import BuildSpec
from domain.event import Command


class SubmitBuild(Command, frozen=True, kw_only=True):
    """base_image: what the steps start from, already chosen; empty for an image build."""

    build_id: str
    spec: BuildSpec
    base_image: str


class CancelBuild(Command, frozen=True, kw_only=True):
    build_id: str
    reason: Annotated[str, Meta(max_length=500)] = ""


class RetryBuild(Command, frozen=True, kw_only=True):
    """attempt: the one that ended, for retries that must not follow another; None takes any."""

    build_id: str
    attempt: int | None = None


class RecordStepStarted(Command, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    step: Step
    round: int
    engine_name: str
    image_id: str
    started_at: datetime


class RecordStepFinished(Command, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    step: Step
    round: int
    exit_code: int
    out_of_memory: bool
    finished_at: datetime
    log: StepLog


class RecordRequirementsResolved(Command, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    round: int
    requirements: Requirements


class RecordBuildRootPrepared(Command, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    step: Step
    round: int
    key: str
    image: str
    image_id: str
    packages_digest: str
    reused: bool


class RecordArtifactsCollected(Command, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    artifacts: tuple[Artifact, ...]


class RecordImageCreated(Command, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    image_id: str
    image: str
    size: int


class RecordBuildStopped(Command, frozen=True, kw_only=True):
    """Everything of this attempt has been stopped in the engine. log_tail: of its last step."""

    build_id: str
    attempt: int
    log_tail: tuple[str, ...] = ()


class RecordBuildRefused(Command, frozen=True, kw_only=True):
    """The user's fault, whatever the step's exit: inputs that cannot be used (an image that does
    not exist, a broken archive), or more log than is kept."""

    build_id: str
    attempt: int
    step: Step
    reason: str
    log_tail: tuple[str, ...] = ()


class RecordBuildErrored(Command, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    step: Step | None
    reason: str
    retryable: bool


class ReachTimeLimit(Command, frozen=True, kw_only=True):
    build_id: str
    attempt: int
    limit: Literal["wall", "idle"]
    seconds: int


BuildUserCommand = SubmitBuild | CancelBuild | RetryBuild
BuildReport = (
    RecordStepStarted
    | RecordStepFinished
    | RecordRequirementsResolved
    | RecordBuildRootPrepared
    | RecordArtifactsCollected
    | RecordImageCreated
    | RecordBuildStopped
    | RecordBuildRefused
    | RecordBuildErrored
    | ReachTimeLimit
)
BuildCommand = BuildUserCommand | BuildReport
