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


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An intent without an outcome yet. before: the status to return to when it fails."""

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

    def waiting(self, intent: int) -> Operation | None:
        """The operation that this intent began, if its outcome is still missing."""
        return next((op for op in self.operations if op.intent == intent), None)


def evolve(state: Container | None, event: ContainerEvent) -> Container:
    if isinstance(event, ContainerRequested):
        return Container(
            container_id=event.container_id,
            spec=event.spec,
            name=event.spec.name,
            status=Status.REQUESTED,
            limits=event.spec.limits,
            generation=event.generation,
            operations=(Operation(name="create", intent=1, before=Status.FAILED),),
        )
    if state is None:
        raise ValueError(f"The first event of a container is {type(event).__name__}")
    state = msgspec.structs.replace(state, version=state.version + 1)
    if isinstance(event, ContainerIntent):
        return _intend(state, event)
    if isinstance(event, ContainerObserved):
        return _observe(state, event)
    return _conclude(state, event)


def _begin(state: Container, name: str, status: Status) -> Container:
    operation = Operation(name=name, intent=state.version, before=state.status)
    return msgspec.structs.replace(state, status=status, operations=(*state.operations, operation))


def _end(state: Container, intent: int, **changes: object) -> Container:
    operations = tuple(op for op in state.operations if op.intent != intent)
    return msgspec.structs.replace(state, operations=operations, **changes)


def _intend(state: Container, event: ContainerIntent) -> Container:
    match event:
        case ContainerRequested():
            return state
        case ContainerStartRequested():
            return _begin(state, "start", Status.STARTING)
        case ContainerStopRequested():
            return _begin(state, "stop", Status.STOPPING)
        case ContainerRestartRequested():
            return _begin(state, "restart", Status.RESTARTING)
        case ContainerPauseRequested():
            return _begin(state, "pause", Status.PAUSING)
        case ContainerUnpauseRequested():
            return _begin(state, "unpause", Status.UNPAUSING)
        case ContainerKillRequested():
            return _begin(state, "kill", state.status)
        case ContainerLimitsChangeRequested():
            return _begin(state, "update limits", state.status)
        case ContainerRemovalRequested():
            return _begin(state, "remove", Status.REMOVING)


def _conclude(state: Container, event: ContainerOutcomeEvent) -> Container:
    match event:
        case ContainerCreated():
            pending_start = any(op.name == "start" for op in state.operations)
            return _end(
                state,
                event.intent,
                status=Status.STARTING if pending_start else Status.CREATED,
                engine_id=event.engine_id,
                engine_name=event.engine_name,
                image_id=event.image_id,
            )
        case ContainerStarted() | ContainerRestarted():
            return _end(
                state,
                event.intent,
                status=Status.RUNNING,
                started_at=event.started_at,
                finished_at=None,
                exit_code=None,
                out_of_memory=False,
                failure=None,
            )
        case ContainerStopped():
            return _end(
                state,
                event.intent,
                status=Status.STOPPED,
                exit_code=state.exit_code if event.exit_code is None else event.exit_code,
                finished_at=event.finished_at or state.finished_at,
            )
        case ContainerPaused():
            return _end(state, event.intent, status=Status.PAUSED)
        case ContainerUnpaused():
            return _end(state, event.intent, status=Status.RUNNING)
        case ContainerKilled():
            return _end(state, event.intent)
        case ContainerLimitsChanged():
            return _end(state, event.intent, limits=event.limits)
        case ContainerRemoved():
            return _end(state, event.intent, status=Status.REMOVED)
        case ContainerRenamed():
            return msgspec.structs.replace(state, name=event.name)
        case ContainerOperationFailed() | ContainerOperationOutcomeUnknown():
            return _fail(state, event.intent, event.reason)
        case ContainerOperationSuperseded():
            return _undo(state, event.intent)


IN_PROGRESS = {
    "start": Status.STARTING,
    "stop": Status.STOPPING,
    "restart": Status.RESTARTING,
    "pause": Status.PAUSING,
    "unpause": Status.UNPAUSING,
    "remove": Status.REMOVING,
}


def _undo(state: Container, intent: int) -> Container:
    """Back to the status before the intent, unless something else has changed it since."""
    operation = state.waiting(intent)
    if operation is None or state.status != IN_PROGRESS.get(operation.name):
        return _end(state, intent)
    return _end(state, intent, status=operation.before)


def _fail(state: Container, intent: int, reason: str) -> Container:
    operation = state.waiting(intent)
    failed = operation is not None and operation.name in {"create", "start", "restart"}
    state = _undo(state, intent)
    status = Status.FAILED if failed else state.status
    return msgspec.structs.replace(state, status=status, failure=reason)


def _observe(state: Container, event: ContainerObserved) -> Container:
    match event:
        case ContainerExited():
            return msgspec.structs.replace(
                state,
                status=Status.STOPPED,
                exit_code=event.exit_code,
                out_of_memory=event.out_of_memory,
                finished_at=event.finished_at,
            )
        case ContainerStateObserved():
            return msgspec.structs.replace(state, status=OBSERVED_STATUS[event.status])
        case ContainerDisappeared():
            return msgspec.structs.replace(state, status=Status.REMOVED, operations=())


OBSERVED_STATUS = {
    "created": Status.CREATED,
    "running": Status.RUNNING,
    "paused": Status.PAUSED,
    "restarting": Status.RESTARTING,
    "exited": Status.STOPPED,
    "dead": Status.FAILED,
}
"""Our status for each word of the engine; an unlisted word is not recorded."""
