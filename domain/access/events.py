"""What can have happened at the door: keys, failed authentication, refusals."""

from domain.access.roles import Role
from domain.event import Event


class KeyCreated(Event, frozen=True, kw_only=True):
    """secret_sha256: hex; the secret itself was shown once and is kept nowhere.

    Its label may name a person, so that stands in the identity table, where it can be erased.
    """

    key_id: str
    role: Role
    secret_sha256: str


class KeyRevoked(Event, frozen=True, kw_only=True):
    key_id: str
    reason: str = ""


class KeyLabelErased(Event, frozen=True, kw_only=True):
    key_id: str


class AuthenticationFailed(Event, frozen=True, kw_only=True):
    """key_id: as claimed, empty where none was readable. Never any part of a secret."""

    attempt_id: str
    key_id: str
    reason: str
    method: str
    path: str


class PermissionDenied(Event, frozen=True, kw_only=True):
    attempt_id: str
    role: Role
    permission: str
    method: str
    path: str


class CommandRefused(Event, frozen=True, kw_only=True):
    """A rule of an aggregate forbade the command; recorded under the command's own id."""

    attempt_id: str
    command: str
    target: str
    rule: str
    state: str
    reason: str


AccessEvent = (
    KeyCreated
    | KeyRevoked
    | KeyLabelErased
    | AuthenticationFailed
    | PermissionDenied
    | CommandRefused
)
