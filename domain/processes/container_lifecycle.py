"""Which engine call each intent of a container needs, and what is forgotten when it is gone."""

from domain.containers import events as e
from domain.containers.state import Container
from domain.processes import effects as f
from domain.processes.effects import NOTHING, Reaction, do

GONE = e.ContainerRemoved | e.ContainerDisappeared
"""After these nothing happens to a container any more."""


def react(event: e.ContainerEvent, version: int, state: Container | None = None) -> Reaction:
    """version: of the event in its stream; outcomes name their intent by it.

    state: of the container right after the event, where it is GONE.
    """
    if isinstance(event, e.ContainerIntent):
        effect = _effect(event, version)
        return do(effect, supersedes=_supersedes(effect))
    if isinstance(event, GONE):
        references = () if state is None else state.secret_references
        forget = f.EraseSecrets(container_id=event.container_id, references=references)
        return do(forget) if references else NOTHING
    create_failed = isinstance(event, e.ContainerOperationFailed) and event.operation == "create"
    return Reaction(supersedes=True) if create_failed else NOTHING


def _supersedes(effect: f.ContainerEffects) -> bool:
    """Who ends a container does not wait for what was to be done with it before."""
    if isinstance(effect, f.KillEngineContainer):
        return effect.signal == "KILL"
    return isinstance(effect, f.StopEngineContainer | f.RemoveEngineContainer)


def _effect(event: e.ContainerIntent, intent: int) -> f.ContainerEffects:
    cid, generation = event.container_id, event.generation
    match event:
        case e.ContainerRequested(spec=spec):
            return f.CreateEngineContainer(
                container_id=cid, generation=generation, intent=intent, spec=spec
            )
        case e.ContainerStartRequested():
            return f.StartEngineContainer(container_id=cid, generation=generation, intent=intent)
        case e.ContainerStopRequested(grace_seconds=grace):
            return f.StopEngineContainer(
                container_id=cid, generation=generation, intent=intent, grace_seconds=grace
            )
        case e.ContainerRestartRequested(grace_seconds=grace):
            return f.RestartEngineContainer(
                container_id=cid, generation=generation, intent=intent, grace_seconds=grace
            )
        case e.ContainerPauseRequested():
            return f.PauseEngineContainer(container_id=cid, generation=generation, intent=intent)
        case e.ContainerUnpauseRequested():
            return f.UnpauseEngineContainer(container_id=cid, generation=generation, intent=intent)
        case e.ContainerKillRequested(signal=signal):
            return f.KillEngineContainer(
                container_id=cid, generation=generation, intent=intent, signal=signal
            )
        case e.ContainerLimitsChangeRequested(limits=limits):
            return f.UpdateEngineContainer(
                container_id=cid, generation=generation, intent=intent, limits=limits
            )
        case e.ContainerRemovalRequested(force=force):
            return f.RemoveEngineContainer(
                container_id=cid, generation=generation, intent=intent, force=force
            )
