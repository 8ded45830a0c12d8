"""What to report of an effect that stayed unknown or went wrong however often it was tried."""

from domain.builds.commands import RecordBuildErrored
from domain.containers.commands import RecordContainerOperationFailed
from domain.event import Command
from domain.processes import effects as f


def report_of(effect: f.AnyEffect, reason: str) -> Command | None:
    """None: it is to be tried for as long as it takes."""
    if isinstance(effect, f.ContainerEffects):
        return RecordContainerOperationFailed(
            container_id=effect.container_id, intent=effect.intent, reason=reason, unknown=True
        )
    if isinstance(effect, f.SendCommand | f.StopBuild | f.SweepBuild | f.EraseSecrets):
        return None
    # The next attempt of the build makes everything anew, under other names.
    return RecordBuildErrored(
        build_id=effect.build_id,
        attempt=effect.attempt,
        step=effect.step if isinstance(effect, f.EnsureRoot | f.CommitRoot | f.RunStep) else None,
        reason=reason,
        retryable=True,
    )
