"""What can have happened to a container.

Intents (`…Requested`) and outcomes are separate facts. An outcome names its intent by the
intent's version in the stream. Observed events report what the engine did without our asking.
"""

from datetime import datetime

from domain.containers.spec import ContainerSpec, Limits, PolicyDecision, Signal
from domain.event import Event


class ContainerRequested(Event, frozen=True, kw_only=True):
    container_id: str
    spec: ContainerSpec
    policy: PolicyDecision = PolicyDecision()
    generation: int = 1


class ContainerCreated(Event, frozen=True, kw_only=True):
    container_id: str
    intent: int
    engine_id: str
    engine_name: str
    image_id: str


class ContainerStartRequested(Event, frozen=True, kw_only=True):
    container_id: str
    generation: int = 1


class ContainerStarted(Event, frozen=True, kw_only=True):
    container_id: str
    intent: int
    started_at: datetime


class ContainerStopRequested(Event, frozen=True, kw_only=True):
    container_id: str
    grace_seconds: int
    generation: int = 1


class ContainerStopped(Event, frozen=True, kw_only=True):
    container_id: str
    intent: int
    exit_code: int | None
    finished_at: datetime | None


class ContainerRestartRequested(Event, frozen=True, kw_only=True):
    container_id: str
    grace_seconds: int
    generation: int = 1


class ContainerRestarted(Event, frozen=True, kw_only=True):
    container_id: str
    intent: int
    started_at: datetime


class ContainerPauseRequested(Event, frozen=True, kw_only=True):
    container_id: str
    generation: int = 1


class ContainerPaused(Event, frozen=True, kw_only=True):
    container_id: str
    intent: int


class ContainerUnpauseRequested(Event, frozen=True, kw_only=True):
    container_id: str
    generation: int = 1


class ContainerUnpaused(Event, frozen=True, kw_only=True):
    container_id: str
    intent: int


class ContainerKillRequested(Event, frozen=True, kw_only=True):
    container_id: str
    signal: Signal
    generation: int = 1


class ContainerKilled(Event, frozen=True, kw_only=True):
    """The signal was delivered; whether the container ends of it is observed separately."""

    container_id: str
    intent: int
    signal: Signal


class ContainerRenamed(Event, frozen=True, kw_only=True):
    """Only the name that we show changes; the engine's name never does."""

    container_id: str
    name: str


class ContainerLimitsChangeRequested(Event, frozen=True, kw_only=True):
    container_id: str
    limits: Limits
    generation: int = 1


class ContainerLimitsChanged(Event, frozen=True, kw_only=True):
    container_id: str
    intent: int
    limits: Limits


class ContainerRemovalRequested(Event, frozen=True, kw_only=True):
    container_id: str
    force: bool
    generation: int = 1


class ContainerRemoved(Event, frozen=True, kw_only=True):
    container_id: str
    intent: int


class ContainerOperationFailed(Event, frozen=True, kw_only=True):
    """The engine refused for good; operation is the name of the intent that failed."""

    container_id: str
    intent: int
    operation: str
    reason: str


class ContainerOperationOutcomeUnknown(Event, frozen=True, kw_only=True):
    """Nobody can say whether the call took effect, and looking did not settle it."""

    container_id: str
    intent: int
    operation: str
    reason: str


class ContainerOperationSuperseded(Event, frozen=True, kw_only=True):
    """A later stop, kill or removal came before the engine was called: the call was never made."""

    container_id: str
    intent: int
    operation: str


class ContainerExited(Event, frozen=True, kw_only=True):
    """Observed: the main process ended."""

    container_id: str
    exit_code: int
    out_of_memory: bool
    finished_at: datetime


class ContainerStateObserved(Event, frozen=True, kw_only=True):
    """Observed: somebody changed the container without us. status is the engine's word."""

    container_id: str
    status: str


class ContainerDisappeared(Event, frozen=True, kw_only=True):
    """Observed: the engine no longer has the container, and we did not remove it."""

    container_id: str


class ContainerSecretsErased(Event, frozen=True, kw_only=True):
    """The values of these secrets are kept nowhere any more; their HMACs stay in the request."""

    container_id: str
    references: tuple[str, ...]


ContainerIntent = (
    ContainerRequested
    | ContainerStartRequested
    | ContainerStopRequested
    | ContainerRestartRequested
    | ContainerPauseRequested
    | ContainerUnpauseRequested
    | ContainerKillRequested
    | ContainerLimitsChangeRequested
    | ContainerRemovalRequested
)
ContainerOutcomeEvent = (
    ContainerCreated
    | ContainerStarted
    | ContainerStopped
    | ContainerRestarted
    | ContainerPaused
    | ContainerUnpaused
    | ContainerKilled
    | ContainerLimitsChanged
    | ContainerRemoved
    | ContainerRenamed
    | ContainerOperationFailed
    | ContainerOperationOutcomeUnknown
    | ContainerOperationSuperseded
)
ContainerObserved = ContainerExited | ContainerStateObserved | ContainerDisappeared
ContainerEvent = (
    ContainerIntent | ContainerOutcomeEvent | ContainerObserved | ContainerSecretsErased
)
