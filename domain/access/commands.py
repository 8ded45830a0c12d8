"""What may be asked of keys, and what the door reports."""

from typing import Annotated

from msgspec import Meta

from domain.access.roles import Role
from domain.event import Command


class CreateKey(Command, frozen=True, kw_only=True):
    key_id: str
    role: Role
    secret_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class RevokeKey(Command, frozen=True, kw_only=True):
    key_id: str
    reason: Annotated[str, Meta(max_length=500)] = ""


class EraseKeyLabel(Command, frozen=True, kw_only=True):
    """Whoever sends it has erased the label itself: labels stand outside the log."""

    key_id: str


class RecordAuthenticationFailure(Command, frozen=True, kw_only=True):
    attempt_id: str
    key_id: str
    reason: str
    method: str
    path: str


class RecordPermissionDenial(Command, frozen=True, kw_only=True):
    attempt_id: str
    role: Role
    permission: str
    method: str
    path: str


AccessCommand = (
    CreateKey | RevokeKey | EraseKeyLabel | RecordAuthenticationFailure | RecordPermissionDenial
)
