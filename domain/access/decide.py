"""When a key may be created or revoked. Failed attempts are facts without rules."""

from domain.access import commands as c
from domain.access import events as e
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
