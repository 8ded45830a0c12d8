"""A restore is recorded once: each has an aggregate of its own."""

from domain.errors import Refusal
from domain.log.commands import LogCommand
from domain.log.events import LogEvent, LogRestored


def evolve(state: LogRestored | None, event: LogEvent) -> LogRestored:
    del state
    return event


def decide(command: LogCommand, state: LogRestored | None) -> tuple[LogEvent, ...]:
    if state is not None:
        raise Refusal(
            rule="restore-is-recorded-once",
            state="recorded",
            advice=f"The restore {command.restore_id} is in the log already.",
        )
    return (
        LogRestored(
            restore_id=command.restore_id,
            backup_id=command.backup_id,
            position=command.position,
            chain=command.chain,
            backed_up_at=command.backed_up_at,
            restored_at=command.restored_at,
        ),
    )
