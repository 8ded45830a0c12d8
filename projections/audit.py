"""Audit log: one row per command that left a trace, also when it was refused or denied."""

from datetime import datetime
from typing import Literal

import msgspec

from domain.access.events import AuthenticationFailed, CommandRefused, PermissionDenied
from domain.event import RecordedEvent
from projections.audit_commands import COMMAND_OF_EVENT
from projections.model import Key, ReadModel
from projections.sql import blocks

Outcome = Literal["accepted", "refused", "denied", "unauthenticated"]

MAX_INDEXED = 200
"""Whoever knocks may send a path of any length; an index entry has its limit."""


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, when, from where, and what became of it.

    command: the command's name (`StopContainer`); for a request that was turned away at the door
    its method and path.
    target: the stream it was about (`container-<id>`), empty where there is none.
    events: the types of what it recorded. detail: why it was refused, denied or not let in.
    first_position, position: of its first and last event.
    """

    tenant: str
    command_id: str
    first_position: int
    position: int
    recorded_at: datetime
    occurred_at: datetime
    actor: str
    source_address: str | None
    command: str
    target: str
    outcome: Outcome
    detail: str = ""
    events: tuple[str, ...] = ()
    correlation_id: str
    causation_id: str | None


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    command: str
    target: str
    outcome: Outcome
    detail: str = ""


def project(row: AuditRow | None, recorded: RecordedEvent) -> AuditRow:
    if row is not None:
        return msgspec.structs.replace(
            row, position=recorded.position, events=(*row.events, recorded.type)
        )
    deed = _deed(recorded)
    return AuditRow(
        tenant=recorded.tenant,
        command_id=recorded.command_id,
        first_position=recorded.position,
        position=recorded.position,
        recorded_at=recorded.recorded_at,
        occurred_at=recorded.occurred_at,
        actor=recorded.actor,
        source_address=recorded.source_address,
        command=deed.command,
        target=deed.target,
        outcome=deed.outcome,
        detail=deed.detail,
        events=(recorded.type,),
        correlation_id=recorded.correlation_id,
        causation_id=recorded.causation_id,
    )


def _deed(recorded: RecordedEvent) -> Deed:
    match recorded.event:
        case CommandRefused() as event:
            return Deed(
                command=event.command,
                target=event.target,
                outcome="refused",
                detail=f"{event.reason} (rule {event.rule}, state {event.state})",
            )
        case PermissionDenied() as event:
            return Deed(
                command=_request(event.method, event.path),
                target="",
                outcome="denied",
                detail=f"{event.role} may not {event.permission}",
            )
        case AuthenticationFailed() as event:
            return Deed(
                command=_request(event.method, event.path),
                target=f"key-{event.key_id}"[:MAX_INDEXED] if event.key_id else "",
                outcome="unauthenticated",
                detail=event.reason,
            )
        case _:
            command = COMMAND_OF_EVENT.get(recorded.type, recorded.type)
            return Deed(command=command, target=recorded.stream, outcome="accepted")


def _request(method: str, path: str) -> str:
    return f"{method} {path}"[:MAX_INDEXED]


def key_of(recorded: RecordedEvent) -> Key:
    return recorded.tenant, recorded.command_id


AUDIT = ReadModel(
    name="audit",
    code_version=1,
    row=AuditRow,
    key=("tenant", "command_id"),
    key_of=key_of,
    project=project,
    sql=blocks("audit.sql"),
    contiguous=True,  # a command is recorded once, all its events together
)
