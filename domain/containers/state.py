"""A container as its events tell it."""

from datetime import datetime
from enum import StrEnum

import msgspec

from domain.containers.events import (
    ContainerCreated,
    ContainerDisappeared,
    ContainerEvent,
    ContainerExited,
    ContainerIntent,
    ContainerKilled,
    ContainerKillRequested,
    ContainerLimitsChanged,
    ContainerLimitsChangeRequested,
    ContainerObserved,
    ContainerOperationFailed,
    ContainerOperationOutcomeUnknown,
    ContainerOperationSuperseded,
    ContainerOutcomeEvent,
    ContainerPaused,
    ContainerPauseRequested,
    ContainerRemovalRequested,
    ContainerRemoved,
    ContainerRenamed,
    ContainerRequested,
    ContainerRestarted,
    ContainerRestartRequested,
    ContainerSecretsErased,
    ContainerStarted,
    ContainerStartRequested,
    ContainerStateObserved,
    ContainerStopped,
    ContainerStopRequested,
    ContainerUnpaused,
    ContainerUnpauseRequested,
)
from domain.containers.spec import ContainerSpec, Limits


class Status(StrEnum):
    REQUESTED = "requested"
    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    UNPAUSING = "unpausing"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    REMOVING = "removing"
    REMOVED = "removed"


UPDATE_LIMITS = "update limits"
"""What the operation is called that a change of limits begins."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An intent without an outcome yet. before: the status that it would leave in force."""

    name: str
    intent: int
    before: Status


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """operations: the intents that still wait for their outcome, oldest first."""

    container_id: str
    spec: ContainerSpec
    name: str
    status: Status
    limits: Limits
    version: int = 1
    generation: int = 1
    operations: tuple[Operation, ...] = ()
    engine_id: str | None = None
    engine_name: str | None = None
    image_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    failure: str | None = None
    secrets_erased: bool = False

    @property
    def secret_references(self) -> tuple[str, ...]:
        return tuple(secret.reference for secret in self.spec.secrets)

    def waiting(self, intent: int) -> Operation | None:
        """The operation that this intent began, if its outcome is still missing."""
        return next((op for op in self.operations if op.intent == intent), None)

    def knows_run(self, started_at: datetime) -> bool:
        """By its start, or by an end since: all that is recorded of a run that others began."""
        ended = self.finished_at is not None and started_at <= self.finished_at
        return ended or started_at == self.started_at


def evolve(state: Container | None, event: ContainerEvent) -> Container:
    if isinstance(event, ContainerRequested):
        return Container(
            container_id=event.container_id,
            spec=event.spec,
            name=event.spec.name,
            status=Status.REQUESTED,
            limits=event.spec.limits,
            generation=event.generation,
            operations=(Operation(name="create", intent=1, before=Status.REQUESTED),),
        )
    if state is None:
        raise ValueError(f"The first event of a container is {type(event).__name__}")
    state = msgspec.structs.replace(state, version=state.version + 1)
    if isinstance(event, ContainerIntent):
        return _intend(state, event)
    if isinstance(event, ContainerObserved):
        return _observe(state, event)
    if isinstance(event, ContainerSecretsErased):
        return msgspec.structs.replace(state, secrets_erased=True)
    return _conclude(state, event)


IN_PROGRESS = {
    "start": Status.STARTING,
    "stop": Status.STOPPING,
    "restart": Status.RESTARTING,
    "pause": Status.PAUSING,
    "unpause": Status.UNPAUSING,
    "remove": Status.REMOVING,
}
"""What a container is called while the operation waits; the newest one names it."""


def _settled(state: Container) -> Status:
    """What the container is by outcomes and observations alone, whatever is asked of it."""
    waiting = (op.before for op in state.operations if op.name in IN_PROGRESS)
    return next(waiting, state.status)


def _settle(
    state: Container, settled: Status, operations: tuple[Operation, ...], **changes: object
) -> Container:
    """The operations that still wait go on from `settled`."""
    if settled is Status.REMOVED:
        operations = ()
    status, chained = settled, list[Operation]()
    for operation in operations:
        chained.append(msgspec.structs.replace(operation, before=status))
        status = IN_PROGRESS.get(operation.name, status)
    return msgspec.structs.replace(state, status=status, operations=tuple(chained), **changes)


def _begin(state: Container, name: str) -> Container:
    operation = Operation(name=name, intent=state.version, before=state.status)
    return _settle(state, _settled(state), (*state.operations, operation))


def _end(
    state: Container, intent: int, settled: Status | None = None, **changes: object
) -> Container:
    operations = tuple(op for op in state.operations if op.intent != intent)
    return _settle(state, settled or _settled(state), operations, **changes)


def _succeed(
    state: Container, intent: int, settled: Status | None = None, **changes: object
) -> Container:
    """What failed before is history, but for why a container that failed is as it is."""
    failure = state.failure if _settled(state) is Status.FAILED else None
    return _end(state, intent, settled, failure=failure, **changes)


def _intend(state: Container, event: ContainerIntent) -> Container:
    match event:
        case ContainerRequested():
            return state
        case ContainerStartRequested():
            return _begin(state, "start")
        case ContainerStopRequested():
            return _begin(state, "stop")
        case ContainerRestartRequested():
            return _begin(state, "restart")
        case ContainerPauseRequested():
            return _begin(state, "pause")
        case ContainerUnpauseRequested():
            return _begin(state, "unpause")
        case ContainerKillRequested():
            return _begin(state, "kill")
        case ContainerLimitsChangeRequested():
            return _begin(state, UPDATE_LIMITS)
        case ContainerRemovalRequested():
            return _begin(state, "remove")


def _conclude(state: Container, event: ContainerOutcomeEvent) -> Container:
    match event:
        case ContainerCreated():
            new = _settled(state) is Status.REQUESTED
            return _end(
                state,
                event.intent,
                Status.CREATED if new else None,
                engine_id=event.engine_id,
                engine_name=event.engine_name,
                image_id=event.image_id,
            )
        case ContainerStarted() | ContainerRestarted():
            return _started(state, event)
        case ContainerStopped():
            return _succeed(
                state,
                event.intent,
                Status.STOPPED,
                exit_code=state.exit_code if event.exit_code is None else event.exit_code,
                finished_at=event.finished_at or state.finished_at,
            )
        case ContainerPaused():
            return _succeed(state, event.intent, _unless_stopped(state, Status.PAUSED))
        case ContainerUnpaused():
            return _succeed(state, event.intent, _unless_stopped(state, Status.RUNNING))
        case ContainerKilled():
            return _succeed(state, event.intent)
        case ContainerLimitsChanged():
            return _succeed(state, event.intent, limits=event.limits)
        case ContainerRemoved():
            return _end(state, event.intent, Status.REMOVED)
        case ContainerRenamed():
            return msgspec.structs.replace(state, name=event.name)
        case ContainerOperationFailed() | ContainerOperationOutcomeUnknown():
            failed = event.operation in {"create", "start", "restart"}
            settled = Status.FAILED if failed else None
            return _end(state, event.intent, settled, failure=event.reason)
        case ContainerOperationSuperseded():
            never_made = event.operation == "create"
            return _end(state, event.intent, Status.FAILED if never_made else None)


def _started(state: Container, event: ContainerStarted | ContainerRestarted) -> Container:
    """A short-lived container may have been seen to end before its start is recorded."""
    if state.finished_at is not None and state.finished_at >= event.started_at:
        return _end(state, event.intent, started_at=event.started_at, failure=None)
    return _end(
        state,
        event.intent,
        Status.RUNNING,
        started_at=event.started_at,
        finished_at=None,
        exit_code=None,
        out_of_memory=False,
        failure=None,
    )


def _unless_stopped(state: Container, status: Status) -> Status:
    """It may have ended between the engine's answer and its record."""
    return Status.STOPPED if _settled(state) is Status.STOPPED else status


def _observe(state: Container, event: ContainerObserved) -> Container:
    match event:
        case ContainerExited():
            return _settle(
                state,
                Status.STOPPED,
                state.operations,
                exit_code=event.exit_code,
                out_of_memory=event.out_of_memory,
                finished_at=event.finished_at,
            )
        case ContainerStateObserved():
            observed = OBSERVED_STATUS.get(event.status, _settled(state))
            return _settle(state, observed, state.operations)
        case ContainerDisappeared():
            return _settle(state, Status.REMOVED, ())


OBSERVED_STATUS = {
    "created": Status.CREATED,
    "running": Status.RUNNING,
    "paused": Status.PAUSED,
    "restarting": Status.RESTARTING,
    "exited": Status.STOPPED,
    "dead": Status.FAILED,
}
"""Our status for each word of the engine; an unlisted word is not recorded."""
