"""Keys: what authentication needs to know, and what an administrator sees of them."""

from datetime import datetime

import msgspec

from domain.access.roles import Role


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """secret_sha256: to compare with, never to show."""

    tenant: str
    key_id: str
    role: Role
    label: str
    secret_sha256: str
    revoked: bool = False
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None
    version: int
    position: int
