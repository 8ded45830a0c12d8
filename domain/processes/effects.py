"""What process managers want done outside. Data only: executors do it, one per aggregate at a time.

Every effect is short, and doing it twice comes to the same as doing it once.
"""

import msgspec

from domain.builds.commands import ReachTimeLimit, RetryBuild
from domain.builds.events import Step
from domain.containers.spec import ContainerSpec, Limits, Signal


class Effect(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One call, or one short conversation, with the outside."""


class ContainerEffect(Effect, frozen=True, kw_only=True):
    """intent: the version of the event that asked for it; the outcome names it."""

    container_id: str
    generation: int
    intent: int


class CreateEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    spec: ContainerSpec


class StartEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    pass


class StopEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    grace_seconds: int


class RestartEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    grace_seconds: int


class PauseEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    pass


class UnpauseEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    pass


class KillEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    signal: Signal


class UpdateEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    limits: Limits


class RemoveEngineContainer(ContainerEffect, frozen=True, kw_only=True):
    force: bool


class EraseSecrets(Effect, frozen=True, kw_only=True):
    """Forget the values of a container that is gone for good."""

    container_id: str
    references: tuple[str, ...]


class BuildEffect(Effect, frozen=True, kw_only=True):
    build_id: str
    attempt: int


class EnsureRoot(BuildEffect, frozen=True, kw_only=True):
    """Have the image of a `toolchain` or `prepare` step: found by its key, or begun as a step."""

    step: Step
    round: int


class CommitRoot(BuildEffect, frozen=True, kw_only=True):
    """Make the container of a finished `toolchain` or `prepare` step the image of its key."""

    step: Step
    round: int


class RunStep(BuildEffect, frozen=True, kw_only=True):
    """Begin a `resolve` or `rpmbuild` step in the build root."""

    step: Step
    round: int


class ReadRequirements(BuildEffect, frozen=True, kw_only=True):
    round: int


class CollectArtifacts(BuildEffect, frozen=True, kw_only=True):
    pass


class StartImageBuild(BuildEffect, frozen=True, kw_only=True):
    pass


class StopBuild(BuildEffect, frozen=True, kw_only=True):
    """Kill whatever runs for the attempt, then say so."""


class SweepBuild(BuildEffect, frozen=True, kw_only=True):
    """Remove what the attempt left in the engine. Has no outcome event: nothing depends on it."""


class SendCommand(Effect, frozen=True, kw_only=True):
    """A command for later."""

    command: ReachTimeLimit | RetryBuild


ContainerEffects = (
    CreateEngineContainer
    | StartEngineContainer
    | StopEngineContainer
    | RestartEngineContainer
    | PauseEngineContainer
    | UnpauseEngineContainer
    | KillEngineContainer
    | UpdateEngineContainer
    | RemoveEngineContainer
)
BuildEffects = (
    EnsureRoot
    | CommitRoot
    | RunStep
    | ReadRequirements
    | CollectArtifacts
    | StartImageBuild
    | StopBuild
    | SweepBuild
)
AnyEffect = ContainerEffects | EraseSecrets | BuildEffects | SendCommand


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """An effect to be done. delay_seconds: not before; such an effect holds up no other."""

    effect: AnyEffect
    delay_seconds: float = 0.0


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a process manager makes of one event.

    supersedes: earlier effects of the aggregate that nobody has begun are never to be done.
    """

    effects: tuple[Planned, ...] = ()
    supersedes: bool = False


NOTHING = Reaction()


def do(*effects: AnyEffect, supersedes: bool = False) -> Reaction:
    """Do these now, in this order."""
    return Reaction(effects=tuple(Planned(effect=f) for f in effects), supersedes=supersedes)
