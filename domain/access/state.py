"""A key, or an attempt at the door, as its events tell it."""

import msgspec

from domain.access.events import AccessEvent, KeyCreated, KeyLabelErased, KeyRevoked
from domain.access.roles import Role


class Key(msgspec.Struct, frozen=True, kw_only=True):
    key_id: str
    role: Role
    secret_sha256: str
    revoked: bool = False
    version: int = 1

    @property
    def label_may_be_erased(self) -> bool:
        """Whether anything but its creation and revocation is recorded of it."""
        return self.version > 1 + self.revoked


def evolve(state: Key | None, event: AccessEvent) -> Key | None:
    if isinstance(event, KeyCreated):
        return Key(
            key_id=event.key_id,
            role=event.role,
            secret_sha256=event.secret_sha256,
        )
    if isinstance(event, KeyRevoked) and state is not None:
        return msgspec.structs.replace(state, revoked=True, version=state.version + 1)
    if isinstance(event, KeyLabelErased) and state is not None:
        return msgspec.structs.replace(state, version=state.version + 1)
    return state
