"""Audit log: one row per command that left a trace, also when it was refused or denied."""

from datetime import datetime
from typing import Literal

import msgspec

Outcome = Literal["accepted", "refused", "denied", "unauthenticated"]


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
