"""Keys: created (the token is shown this once), listed, revoked.

A label may name a person: it goes to the identity table and is added to answers, never recorded.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.http import errors as e
from api.http.auth import actor_of, new_key
from api.http.call import Accepted, Answered, Call, accepted
from api.http.decoding import Nothing
from api.http.queries import Position
from domain.access.commands import CreateKey, EraseKeyLabel, RevokeKey
from domain.access.decide import last_admin_key_stays
from domain.access.roles import Role
from domain.access.state import Key
from domain.application.aggregates import KEYS
from domain.errors import CommandIdReused
from projections.answer import Answer
from projections.keys import KeyRow


class KeyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """label: for people; it can be erased later."""

    role: Role
    label: Annotated[str, Meta(max_length=100)] = ""


class KeyCreation(Accepted, frozen=True, kw_only=True):
    """token: shown only now; None in the answer to a repeated request."""

    token: str | None


class RevocationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """reason: recorded for ever, so write nothing personal."""

    reason: Annotated[str, Meta(max_length=500)] = ""


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """label: empty where it never had one or where it was erased."""

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
    if call.may_be_repeated:
        known = await _load(call, key_id)
        if known is not None:
            return await _repeat(call, known)
    key = new_key(key_id)
    if call.body.label:  # first, so that a key that is recorded has its label
        await call.parts.identities.put(call.tenant, actor_of(key_id), call.body.label)
    command = CreateKey(key_id=key_id, role=call.body.role, secret_sha256=key.secret_sha256)
    try:
        return _created(await call.accept(command, key_id, f"/v1/keys/{key_id}"), key.token)
    except CommandIdReused:
        known = await _load(call, key_id)
        if known is None:
            raise
        return await _repeat(call, known)  # the same request came twice at once


async def revoke_key(call: Call[Nothing, RevocationRequest]) -> Answered[Accepted]:
    key_id = call.path("key_id")
    location = f"/v1/keys/{key_id}"
    command = RevokeKey(key_id=key_id, reason=call.body.reason)
    async with call.parts.revocations:
        refusal = last_admin_key_stays(await _load(call, key_id), await _others(call, key_id))
        if refusal is not None:
            return await call.refuse(command, refusal, key_id, location)
        return await call.accept(command, key_id, location)


async def erase_key_label(call: Call[Nothing, Nothing]) -> Answered[Accepted]:
    """Erased first: the log must not say so before it is true.

    What has the id of a command that was answered before erases nothing any more.
    """
    key_id = call.path("key_id")
    loaded = await call.parts.handler.load(KEYS, call.tenant, key_id)
    answered = await call.parts.store.find_receipt(call.tenant, call.command_id)
    if answered is None and loaded.version and call.expected_version in {None, loaded.version}:
        await call.parts.identities.erase(call.tenant, actor_of(key_id))
    return await call.accept(EraseKeyLabel(key_id=key_id), key_id, f"/v1/keys/{key_id}")


async def list_keys(call: Call[KeysQuery, Nothing]) -> Answered[Answer[tuple[KeyView, ...]]]:
    found = await call.parts.queries.list_keys(call.tenant, min_position=call.query.min_position)
    subjects = [actor_of(row.key_id) for row in found.value]
    labels = await call.parts.identities.labels(call.tenant, subjects)
    return Answered(
        body=Answer(
            projection=found.projection,
            version=found.version,
            position=found.position,
            value=tuple(_view(row, labels) for row in found.value),
        )
    )


async def _others(call: Call[Any, Any], key_id: str) -> Sequence[Key | None]:
    """Keys that may be admins', as the log has them; the read model only says where to look.

    Whoever asks is an admin, so it is needed for their own key alone: another one is revoked also
    while no read model can be read.
    """
    if call.principal.key_id != key_id:
        return (await _load(call, call.principal.key_id),)
    head = await call.parts.store.head()
    found = await call.parts.queries.list_keys(call.tenant, min_position=head.position)
    admins = [row.key_id for row in found.value if row.role is Role.ADMIN and not row.revoked]
    return [await _load(call, admin) for admin in admins if admin != key_id]


async def _load(call: Call[Any, Any], key_id: str) -> Key | None:
    known: Key | None = (await call.parts.handler.load(KEYS, call.tenant, key_id)).state
    return known


def _view(row: KeyRow, labels: Mapping[str, str]) -> KeyView:
    return KeyView(
        key_id=row.key_id,
        role=row.role,
        label=labels.get(actor_of(row.key_id), ""),
        revoked=row.revoked,
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
        version=row.version,
        position=row.position,
    )


async def _repeat(call: Call[Nothing, KeyRequest], known: Key) -> Answered[KeyCreation]:
    """The token of the first answer is kept nowhere: who lost it revokes the key."""
    receipt = await call.parts.store.find_receipt(call.tenant, call.command_id)
    subject = actor_of(known.key_id)
    labels = await call.parts.identities.labels(call.tenant, [subject])
    gone = call.body.label if known.label_may_be_erased else ""
    same = known.role == call.body.role and labels.get(subject, gone) == call.body.label
    if receipt is None or not same:
        raise e.Rejected(
            e.COMMAND_ID_REUSED, "This Idempotency-Key created another key. Choose a new one."
        )
    return _created(accepted(receipt, known.key_id, f"/v1/keys/{known.key_id}"), None)


def _created(answer: Answered[Accepted], token: str | None) -> Answered[KeyCreation]:
    body = KeyCreation(token=token, **msgspec.structs.asdict(answer.body))
    return Answered(body=body, status=201, headers=answer.headers)
