"""What may be asked of a container, and what the executor and the reconciler report of it."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from domain.containers.spec import ContainerSpec, Limits, Name, Signal
from domain.event import Command

Grace = Annotated[int, Meta(ge=0, le=600)]


class RequestContainer(Command, frozen=True, kw_only=True):
    container_id: str
    spec: ContainerSpec
    start: bool = True


class StartContainer(Command, frozen=True, kw_only=True):
    container_id: str


class StopContainer(Command, frozen=True, kw_only=True):
    """grace_seconds: between the stop signal and the kill; None takes the container's own."""

    container_id: str
    grace_seconds: Grace | None = None


class RestartContainer(Command, frozen=True, kw_only=True):
    container_id: str
    grace_seconds: Grace | None = None


class PauseContainer(Command, frozen=True, kw_only=True):
    container_id: str


class UnpauseContainer(Command, frozen=True, kw_only=True):
    container_id: str


class KillContainer(Command, frozen=True, kw_only=True):
    container_id: str
    signal: Signal = "KILL"


class RenameContainer(Command, frozen=True, kw_only=True):
    container_id: str
    name: Name


class ChangeContainerLimits(Command, frozen=True, kw_only=True):
    container_id: str
    limits: Limits


class RemoveContainer(Command, frozen=True, kw_only=True):
    """force: also when it runs."""

    container_id: str
    force: bool = False


class RecordContainerCreated(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int
    engine_id: str
    engine_name: str
    image_id: str


class RecordContainerStarted(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int
    started_at: datetime


class RecordContainerStopped(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int
    exit_code: int | None
    finished_at: datetime | None


class RecordContainerRestarted(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int
    started_at: datetime


class RecordContainerPaused(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int


class RecordContainerUnpaused(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int


class RecordContainerKilled(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int
    signal: Signal


class RecordContainerLimitsChanged(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int
    limits: Limits


class RecordContainerRemoved(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int


class RecordContainerOperationFailed(Command, frozen=True, kw_only=True):
    """unknown: it could not be found out whether the call took effect."""

    container_id: str
    intent: int
    reason: str
    unknown: bool = False


class RecordContainerOperationSuperseded(Command, frozen=True, kw_only=True):
    container_id: str
    intent: int


class ObserveContainerExit(Command, frozen=True, kw_only=True):
    container_id: str
    exit_code: int
    out_of_memory: bool
    finished_at: datetime


class ObserveContainerState(Command, frozen=True, kw_only=True):
    """status: the engine's word: created, running, paused, restarting, exited, dead."""

    container_id: str
    status: str


class ObserveContainerGone(Command, frozen=True, kw_only=True):
    container_id: str


class RecordContainerSecretsErased(Command, frozen=True, kw_only=True):
    container_id: str
    references: tuple[str, ...]


ContainerUserCommand = (
    RequestContainer
    | StartContainer
    | StopContainer
    | RestartContainer
    | PauseContainer
    | UnpauseContainer
    | KillContainer
    | RenameContainer
    | ChangeContainerLimits
    | RemoveContainer
)
ContainerOutcome = (
    RecordContainerCreated
    | RecordContainerStarted
    | RecordContainerStopped
    | RecordContainerRestarted
    | RecordContainerPaused
    | RecordContainerUnpaused
    | RecordContainerKilled
    | RecordContainerLimitsChanged
    | RecordContainerRemoved
    | RecordContainerOperationFailed
    | RecordContainerOperationSuperseded
)
ContainerObservation = ObserveContainerExit | ObserveContainerState | ObserveContainerGone
ContainerCommand = (
    ContainerUserCommand | ContainerOutcome | ContainerObservation | RecordContainerSecretsErased
)
