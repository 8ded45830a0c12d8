"""Keys: what authentication needs to know, and what an administrator sees of them.

Labels are not here: they may name people, and are added when a question is answered.
"""

from datetime import datetime

import msgspec

from domain.access.events import KeyCreated, KeyLabelErased, KeyRevoked
from domain.access.roles import Role
from domain.event import RecordedEvent
from projections.model import Key, ReadModel
from projections.sql import blocks


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """secret_sha256: to compare with, never to show."""

    tenant: str
    key_id: str
    role: Role
    secret_sha256: str
    revoked: bool = False
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None
    version: int
    position: int


def project(row: KeyRow | None, recorded: RecordedEvent) -> KeyRow | None:
    match recorded.event:
        case KeyCreated() as event:
            return KeyRow(
                tenant=recorded.tenant,
                key_id=event.key_id,
                role=event.role,
                secret_sha256=event.secret_sha256,
                created_at=recorded.recorded_at,
                created_by=recorded.actor,
                version=recorded.version,
                position=recorded.position,
            )
        case KeyRevoked() if row is not None:
            return msgspec.structs.replace(
                row,
                revoked=True,
                revoked_at=recorded.recorded_at,
                version=recorded.version,
                position=recorded.position,
            )
        case KeyLabelErased() if row is not None:
            return msgspec.structs.replace(
                row, version=recorded.version, position=recorded.position
            )
        case _:
            return row


def key_of(recorded: RecordedEvent) -> Key | None:
    match recorded.event:
        case KeyCreated(key_id=key_id) | KeyRevoked(key_id=key_id) | KeyLabelErased(key_id=key_id):
            return recorded.tenant, key_id
        case _:
            return None


KEYS = ReadModel(
    name="keys",
    code_version=2,
    row=KeyRow,
    key=("tenant", "key_id"),
    key_of=key_of,
    project=project,
    sql=blocks("keys.sql"),
    events=frozenset({KeyCreated, KeyLabelErased, KeyRevoked}),
)
