"""Builders for containers: events in the order in which they happen, and what follows from them."""

from datetime import UTC, datetime, timedelta
from functools import reduce

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.decide import decide
from domain.containers.spec import ContainerSpec, Limits
from domain.containers.state import Container, Status, evolve

CID = "c-1"
SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",), stop_grace_seconds=7)
MORE = Limits(memory_bytes=1024 * 1024 * 1024)
T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def after(*events: e.ContainerEvent) -> Container:
    state = reduce(evolve, events, None)
    assert state is not None
    return state


def when(state: Container | None, *commands: c.ContainerCommand) -> Container:
    """The state after these commands."""
    for command in commands:
        state = reduce(evolve, decide(command, state), state)
    assert state is not None
    return state


REQUESTED = e.ContainerRequested(container_id=CID, spec=SPEC)
CREATED = e.ContainerCreated(
    container_id=CID, intent=1, engine_id="e-1", engine_name="em-c-1-1", image_id="sha256:1"
)
START_REQUESTED = e.ContainerStartRequested(container_id=CID)
STARTED = e.ContainerStarted(container_id=CID, intent=3, started_at=at(1))
RUNNING = (REQUESTED, CREATED, START_REQUESTED, STARTED)
EXITED = e.ContainerExited(container_id=CID, exit_code=3, out_of_memory=False, finished_at=at(9))
STOP_REQUESTED = e.ContainerStopRequested(container_id=CID, grace_seconds=7)
PAUSE_REQUESTED = e.ContainerPauseRequested(container_id=CID)
UNPAUSE_REQUESTED = e.ContainerUnpauseRequested(container_id=CID)
RESTART_REQUESTED = e.ContainerRestartRequested(container_id=CID, grace_seconds=7)
REMOVAL_REQUESTED = e.ContainerRemovalRequested(container_id=CID, force=True)
PAUSED = (*RUNNING, PAUSE_REQUESTED, e.ContainerPaused(container_id=CID, intent=5))

IN_STATUS: dict[Status, tuple[e.ContainerEvent, ...]] = {
    Status.REQUESTED: (REQUESTED,),
    Status.CREATED: (REQUESTED, CREATED),
    Status.STARTING: (REQUESTED, CREATED, START_REQUESTED),
    Status.RUNNING: RUNNING,
    Status.PAUSING: (*RUNNING, PAUSE_REQUESTED),
    Status.PAUSED: PAUSED,
    Status.UNPAUSING: (*PAUSED, UNPAUSE_REQUESTED),
    Status.RESTARTING: (*RUNNING, RESTART_REQUESTED),
    Status.STOPPING: (*RUNNING, STOP_REQUESTED),
    Status.STOPPED: (*RUNNING, EXITED),
    Status.FAILED: (
        REQUESTED,
        e.ContainerOperationFailed(
            container_id=CID, intent=1, operation="create", reason="no such image"
        ),
    ),
    Status.REMOVING: (*RUNNING, REMOVAL_REQUESTED),
    Status.REMOVED: (*RUNNING, e.ContainerDisappeared(container_id=CID)),
}


def fail(intent: int, *, unknown: bool = False) -> c.RecordContainerOperationFailed:
    return c.RecordContainerOperationFailed(
        container_id=CID, intent=intent, reason="the engine said no", unknown=unknown
    )


def supersede(intent: int) -> c.RecordContainerOperationSuperseded:
    return c.RecordContainerOperationSuperseded(container_id=CID, intent=intent)


def created(intent: int = 1) -> c.RecordContainerCreated:
    return c.RecordContainerCreated(
        container_id=CID,
        intent=intent,
        engine_id="e-1",
        engine_name="em-c-1-1",
        image_id="sha256:1",
    )


def started(intent: int, seconds: float = 1) -> c.RecordContainerStarted:
    return c.RecordContainerStarted(container_id=CID, intent=intent, started_at=at(seconds))


def stopped(intent: int, seconds: float = 20) -> c.RecordContainerStopped:
    return c.RecordContainerStopped(
        container_id=CID, intent=intent, exit_code=0, finished_at=at(seconds)
    )


def exit_seen(seconds: float, code: int = 3) -> c.ObserveContainerExit:
    return c.ObserveContainerExit(
        container_id=CID, exit_code=code, out_of_memory=False, finished_at=at(seconds)
    )


def state_seen(status: str) -> c.ObserveContainerState:
    return c.ObserveContainerState(container_id=CID, status=status)
