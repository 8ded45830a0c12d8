"""When a key may be created or revoked. Failed attempts are facts without rules."""

from collections.abc import Iterable

from domain.access import commands as c
from domain.access import events as e
from domain.access.roles import Role
from domain.access.state import Key
from domain.errors import Refusal, UnknownStream


def decide(command: c.AccessCommand, state: Key | None) -> tuple[e.AccessEvent, ...]:
    match command:
        case c.CreateKey():
            return _create(command, state)
        case c.RevokeKey():
            return _revoke(command, state)
        case c.EraseKeyLabel():
            if state is None:
                raise UnknownStream(f"key {command.key_id}")
            return (e.KeyLabelErased(key_id=command.key_id),)
        case c.RecordAuthenticationFailure():
            return (
                e.AuthenticationFailed(
                    attempt_id=command.attempt_id,
                    key_id=command.key_id,
                    reason=command.reason,
                    method=command.method,
                    path=command.path,
                ),
            )
        case c.RecordPermissionDenial():
            return (
                e.PermissionDenied(
                    attempt_id=command.attempt_id,
                    role=command.role,
                    permission=command.permission,
                    method=command.method,
                    path=command.path,
                ),
            )


def last_admin_key_stays(key: Key | None, others: Iterable[Key | None]) -> Refusal | None:
    """Why `key` may not be revoked: without an admin nobody gets in to create another key."""
    if not _is_active_admin(key) or any(_is_active_admin(other) for other in others):
        return None
    return Refusal(
        rule="the-last-admin-key-stays",
        state="active",
        advice="It is the last active admin key. Create another one first, then revoke this one.",
    )


def _is_active_admin(key: Key | None) -> bool:
    return key is not None and key.role is Role.ADMIN and not key.revoked


def _create(command: c.CreateKey, state: Key | None) -> tuple[e.AccessEvent, ...]:
    if state is not None:
        raise Refusal(
            rule="key-id-is-new",
            state="revoked" if state.revoked else "active",
            advice=f"Key {command.key_id} exists already. Choose another id.",
        )
    return (
        e.KeyCreated(
            key_id=command.key_id,
            role=command.role,
            secret_sha256=command.secret_sha256,
        ),
    )


def _revoke(command: c.RevokeKey, state: Key | None) -> tuple[e.AccessEvent, ...]:
    if state is None:
        raise UnknownStream(f"key {command.key_id}")
    if state.revoked:
        raise Refusal(
            rule="revoke-needs-an-active-key",
            state="revoked",
            advice=f"Key {command.key_id} is revoked already.",
        )
    return (e.KeyRevoked(key_id=command.key_id, reason=command.reason),)
