"""Keys: created (the token is shown this once), listed, revoked."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from api.http import errors as e
from api.http.auth import new_key
from api.http.call import Accepted, Answered, Call, accepted
from api.http.decoding import Nothing
from api.http.queries import Position
from domain.access.commands import CreateKey, RevokeKey
from domain.access.roles import Role
from domain.access.state import Key
from domain.application.aggregates import KEYS
from projections.answer import Answer


class KeyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: Role
    label: Annotated[str, Meta(max_length=100)] = ""


class KeyCreation(Accepted, frozen=True, kw_only=True):
    """token: shown only now; None in the answer to a repeated request."""

    token: str | None


class RevocationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=500)] = ""


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    key_id: str
    role: Role
    label: str
    revoked: bool
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    version: int
    position: int


class KeysQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    min_position: Position = 0


async def create_key(call: Call[Nothing, KeyRequest]) -> Answered[KeyCreation]:
    key_id = call.derived_id()
    known = (await call.parts.handler.load(KEYS, call.tenant, key_id)).state
    if known is not None:
        return await _repeat(call, known)
    key = new_key(key_id)
    command = CreateKey(
        key_id=key_id,
        role=call.body.role,
        label=call.body.label,
        secret_sha256=key.secret_sha256,
    )
    return _created(await call.accept(command, key_id, f"/v1/keys/{key_id}"), key.token)


async def revoke_key(call: Call[Nothing, RevocationRequest]) -> Answered[Accepted]:
    key_id = call.path("key_id")
    command = RevokeKey(key_id=key_id, reason=call.body.reason)
    return await call.accept(command, key_id, f"/v1/keys/{key_id}")


async def list_keys(call: Call[KeysQuery, Nothing]) -> Answered[Answer[tuple[KeyView, ...]]]:
    found = await call.parts.queries.list_keys(call.tenant, min_position=call.query.min_position)
    return Answered(
        body=Answer(
            projection=found.projection,
            version=found.version,
            position=found.position,
            value=tuple(msgspec.convert(row, KeyView, from_attributes=True) for row in found.value),
        )
    )


async def _repeat(call: Call[Nothing, KeyRequest], known: Key) -> Answered[KeyCreation]:
    """The token of the first answer is kept nowhere: who lost it revokes the key."""
    receipt = await call.parts.store.find_receipt(call.tenant, call.command_id)
    same = (known.role, known.label) == (call.body.role, call.body.label)
    if receipt is None or not same:
        raise e.Rejected(
            e.COMMAND_ID_REUSED, "This Idempotency-Key created another key. Choose a new one."
        )
    return _created(accepted(receipt, known.key_id, f"/v1/keys/{known.key_id}"), None)


def _created(answer: Answered[Accepted], token: str | None) -> Answered[KeyCreation]:
    body = KeyCreation(token=token, **msgspec.structs.asdict(answer.body))
    return Answered(body=body, status=201, headers=answer.headers)
