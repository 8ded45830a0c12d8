"""What a container's present state allows, and which events follow."""

from collections.abc import Iterable

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.state import OBSERVED_STATUS, Container, Status
from domain.errors import Refusal, UnknownStream

Events = tuple[e.ContainerEvent, ...]

PRESENT = frozenset(set(Status) - {Status.REMOVING, Status.REMOVED})
ALLOWED: dict[type[c.ContainerUserCommand], frozenset[Status]] = {
    c.StartContainer: frozenset({Status.CREATED, Status.STOPPED, Status.FAILED}),
    c.StopContainer: frozenset({Status.STARTING, Status.RUNNING, Status.PAUSED, Status.RESTARTING}),
    c.RestartContainer: frozenset({Status.RUNNING, Status.STOPPED}),
    c.PauseContainer: frozenset({Status.RUNNING}),
    c.UnpauseContainer: frozenset({Status.PAUSED}),
    c.KillContainer: frozenset(
        {Status.STARTING, Status.RUNNING, Status.PAUSED, Status.RESTARTING, Status.STOPPING}
    ),
    c.RenameContainer: PRESENT,
    c.ChangeContainerLimits: frozenset(
        {Status.CREATED, Status.RUNNING, Status.PAUSED, Status.STOPPED}
    ),
    c.RemoveContainer: frozenset({Status.CREATED, Status.STOPPED, Status.FAILED}),
}


def decide(command: c.ContainerCommand, state: Container | None) -> Events:
    """The events that the command causes; none when it reports what is known already.

    Raises Refusal or UnknownStream.
    """
    if isinstance(command, c.RequestContainer):
        return _request(command, state)
    if state is None:
        raise UnknownStream(f"container {command.container_id}")
    if isinstance(command, c.ContainerUserCommand):
        _check(command, state)
        return _intend(command, state)
    if isinstance(command, c.ContainerObservation):
        return _observe(command, state)
    if isinstance(command, c.RecordContainerSecretsErased):
        return _erase_secrets(command, state)
    return _conclude(command, state)


def name_is_taken(name: str, container_id: str, holders: Iterable[Container]) -> Refusal | None:
    """Why the container may not be called so. holders: containers that are or were."""
    for holder in holders:
        in_use = holder.name == name and holder.status is not Status.REMOVED
        if in_use and holder.container_id != container_id:
            return Refusal(
                rule="name-taken",
                state=holder.status,
                advice=f"Container {holder.container_id} is called {name} already. Choose another"
                " name, or rename or remove that one first.",
            )
    return None


def _request(command: c.RequestContainer, state: Container | None) -> Events:
    if state is not None:
        raise Refusal(
            rule="container-id-is-new",
            state=state.status,
            advice=f"Container {command.container_id} exists already. Choose another id.",
        )
    requested = e.ContainerRequested(container_id=command.container_id, spec=command.spec)
    if not command.start:
        return (requested,)
    return (requested, e.ContainerStartRequested(container_id=command.container_id))


def _check(command: c.ContainerUserCommand, state: Container) -> None:
    forced = isinstance(command, c.RemoveContainer) and command.force
    allowed = PRESENT if forced else ALLOWED[type(command)]
    if state.status in allowed:
        return
    words = _words(type(command).__name__)
    takes = f"to {_deed(words)}, it must be {_either(sorted(allowed))}."
    raise Refusal(
        rule=f"{'-'.join(words)}-needs-{'-or-'.join(sorted(allowed))}",
        state=state.status,
        advice=f"Container {state.name} is {state.status}; "
        + (takes if state.status in PRESENT else "only its history stays."),
    )


def _words(name: str) -> list[str]:
    return "".join(f" {ch.lower()}" if ch.isupper() else ch for ch in name).split()


def _deed(words: list[str]) -> str:
    """`pause it`, `change its limits`."""
    return " ".join(words).replace("container limits", "its limits").replace("container", "it")


def _either(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _intend(command: c.ContainerUserCommand, state: Container) -> Events:
    cid, generation = state.container_id, state.generation
    match command:
        case c.RequestContainer():
            return ()
        case c.StartContainer():
            return (e.ContainerStartRequested(container_id=cid, generation=generation),)
        case c.StopContainer(grace_seconds=grace):
            grace = state.spec.stop_grace_seconds if grace is None else grace
            return (
                e.ContainerStopRequested(
                    container_id=cid, grace_seconds=grace, generation=generation
                ),
            )
        case c.RestartContainer(grace_seconds=grace):
            grace = state.spec.stop_grace_seconds if grace is None else grace
            return (
                e.ContainerRestartRequested(
                    container_id=cid, grace_seconds=grace, generation=generation
                ),
            )
        case c.PauseContainer():
            return (e.ContainerPauseRequested(container_id=cid, generation=generation),)
        case c.UnpauseContainer():
            return (e.ContainerUnpauseRequested(container_id=cid, generation=generation),)
        case c.KillContainer(signal=signal):
            return (
                e.ContainerKillRequested(container_id=cid, signal=signal, generation=generation),
            )
        case c.RenameContainer(name=name):
            return () if name == state.name else (e.ContainerRenamed(container_id=cid, name=name),)
        case c.ChangeContainerLimits(limits=limits):
            # Also those that it has by what is recorded: others may wait, or have been set unseen.
            return (
                e.ContainerLimitsChangeRequested(
                    container_id=cid, limits=limits, generation=generation
                ),
            )
        case c.RemoveContainer(force=force):
            return (
                e.ContainerRemovalRequested(container_id=cid, force=force, generation=generation),
            )


def _conclude(command: c.ContainerOutcome, state: Container) -> Events:
    """An outcome counts once, and only while its intent waits for it."""
    operation = state.waiting(command.intent)
    if operation is None:
        return ()
    cid, intent = state.container_id, command.intent
    match command:
        case c.RecordContainerCreated():
            return (
                e.ContainerCreated(
                    container_id=cid,
                    intent=intent,
                    engine_id=command.engine_id,
                    engine_name=command.engine_name,
                    image_id=command.image_id,
                ),
            )
        case c.RecordContainerStarted(started_at=at):
            return (e.ContainerStarted(container_id=cid, intent=intent, started_at=at),)
        case c.RecordContainerStopped(exit_code=code, finished_at=at):
            return (
                e.ContainerStopped(container_id=cid, intent=intent, exit_code=code, finished_at=at),
            )
        case c.RecordContainerRestarted(started_at=at):
            return (e.ContainerRestarted(container_id=cid, intent=intent, started_at=at),)
        case c.RecordContainerPaused():
            return (e.ContainerPaused(container_id=cid, intent=intent),)
        case c.RecordContainerUnpaused():
            return (e.ContainerUnpaused(container_id=cid, intent=intent),)
        case c.RecordContainerKilled(signal=signal):
            return (e.ContainerKilled(container_id=cid, intent=intent, signal=signal),)
        case c.RecordContainerLimitsChanged(limits=limits):
            return (e.ContainerLimitsChanged(container_id=cid, intent=intent, limits=limits),)
        case c.RecordContainerRemoved():
            return (e.ContainerRemoved(container_id=cid, intent=intent),)
        case c.RecordContainerOperationFailed(reason=reason, unknown=unknown):
            failed = e.ContainerOperationOutcomeUnknown if unknown else e.ContainerOperationFailed
            return (
                failed(container_id=cid, intent=intent, operation=operation.name, reason=reason),
            )
        case c.RecordContainerOperationSuperseded():
            return (
                e.ContainerOperationSuperseded(
                    container_id=cid, intent=intent, operation=operation.name
                ),
            )


def _erase_secrets(command: c.RecordContainerSecretsErased, state: Container) -> Events:
    if state.secrets_erased:
        return ()
    return (
        e.ContainerSecretsErased(container_id=state.container_id, references=command.references),
    )


EXITABLE = frozenset(set(Status) - {Status.REQUESTED, Status.STOPPED, Status.REMOVED})
SEEN_AS = {"created": {Status.FAILED}, "exited": {Status.FAILED}}
"""What the engine calls a container that could not be started."""
GONE_ALREADY = frozenset({Status.REQUESTED, Status.REMOVING, Status.REMOVED})


def _observe(command: c.ContainerObservation, state: Container) -> Events:
    """Record only what we neither caused nor knew: an observer may report things many times."""
    match command:
        case c.ObserveContainerExit():
            known = state.finished_at is not None and command.finished_at <= state.finished_at
            outdated = state.started_at is not None and command.finished_at < state.started_at
            restarting = any(op.name == "restart" for op in state.operations)
            if known or outdated or restarting or state.status not in EXITABLE:
                return ()
            return (
                e.ContainerExited(
                    container_id=state.container_id,
                    exit_code=command.exit_code,
                    out_of_memory=command.out_of_memory,
                    finished_at=command.finished_at,
                ),
            )
        case c.ObserveContainerState(status=status):
            observed = OBSERVED_STATUS.get(status)
            settled = state.status in {observed, Status.REMOVED}
            if observed is None or settled or state.operations:
                return ()
            if state.status in SEEN_AS.get(status, ()):
                return ()
            return (e.ContainerStateObserved(container_id=state.container_id, status=status),)
        case c.ObserveContainerGone():
            never_made = state.engine_id is None
            if never_made or state.status in GONE_ALREADY:
                return ()
            return (e.ContainerDisappeared(container_id=state.container_id),)
