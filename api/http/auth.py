"""Who is asking: API keys, shown once, kept as SHA-256, believed for at most a second."""

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from contextlib import suppress
from typing import TypeVar

import msgspec

from domain.access.roles import Role
from domain.access.state import Key
from domain.application.aggregates import KEYS
from domain.application.command_handler import CommandHandler
from domain.errors import StoreUnavailable
from domain.event import DEFAULT_TENANT
from domain.ports import Clock
from projections.queries import Queries

BELIEVED_SECONDS = 1.0
RENEWED_SECONDS = 0.5
REMEMBERED_KEYS = 10_000
RECHECKED_SECONDS = 10.0
TOKEN = re.compile(r"em_(?P<key_id>[A-Za-z0-9-]{1,64})_(?P<secret>[A-Za-z0-9_-]{43,64})")


Value = TypeVar("Value")


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str
    key_id: str
    role: Role

    @property
    def actor(self) -> str:
        return actor_of(self.key_id)


class _Belief(msgspec.Struct, kw_only=True):
    """renew_at: from when on somebody should ask again; moments in seconds."""

    principal: Principal
    until: float
    renew_at: float


def actor_of(key_id: str) -> str:
    """Who acts by this key, as events name it."""
    return f"key:{key_id}"


class AuthenticationError(Exception):
    """reason: a stable word for the audit log, never any part of a secret."""

    def __init__(self, reason: str, key_id: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.key_id = key_id


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    token: str
    secret_sha256: str


def new_key(key_id: str) -> NewKey:
    """256 random bits; the token is never kept anywhere."""
    secret = secrets.token_hex(32)
    return NewKey(token=f"em_{key_id}_{secret}", secret_sha256=sha256_hex(secret))


def sha256_hex(text: str) -> str:
    """Also of what a client sent that is no Unicode, which comes as lone surrogates."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


class KeyRing:
    """Checks keys against the log itself, so that a revocation counts at once everywhere."""

    def __init__(self, handler: CommandHandler, queries: Queries, clock: Clock) -> None:
        self._handler = handler
        self._queries = queries
        self._clock = clock
        self._believed: OrderedDict[str, _Belief] = OrderedDict()
        self._rechecked: OrderedDict[str, float] = OrderedDict()
        self._revoked: OrderedDict[str, None] = OrderedDict()

    def believed(self, token: str) -> Principal | None:
        """Who showed this token less than a second ago.

        Halfway through that second one caller is told nobody, and asks again: else all who come at
        its end would ask at once.
        """
        found, now = self._believed.get(sha256_hex(token)), self._now()
        if found is None or found.until < now:
            return None
        if found.renew_at < now:
            found.renew_at = found.until
            return None
        return found.principal

    async def authenticate(self, token: str) -> Principal:
        """Raises AuthenticationError, StoreUnavailable."""
        match = TOKEN.fullmatch(token)
        if match is None:
            raise AuthenticationError("malformed")
        tenant, key = await self._find(match["key_id"])
        offered = sha256_hex(match["secret"])
        stored = key.secret_sha256 if key else "0" * 64
        equal = hmac.compare_digest(offered, stored)
        if key is None or not equal:
            raise AuthenticationError("unknown" if key is None else "wrong-secret", match["key_id"])
        if key.revoked:
            raise AuthenticationError("revoked", key.key_id)
        principal = Principal(tenant=tenant, key_id=key.key_id, role=key.role)
        self._believe(token, principal)
        return principal

    async def get(self, key_id: str) -> Principal:
        """For what was bound to a key earlier. Raises AuthenticationError, StoreUnavailable."""
        tenant, key = await self._find(key_id)
        if key is None or key.revoked:
            raise AuthenticationError("unknown" if key is None else "revoked", key_id)
        return Principal(tenant=tenant, key_id=key.key_id, role=key.role)

    async def recheck(self, principal: Principal) -> None:
        """For connections that stay open; cheap enough to be asked every second by each.

        While the log is away nobody can revoke a key, and nobody is made to wait for it.
        Raises AuthenticationError.
        """
        key_id = principal.key_id
        if key_id in self._revoked:
            raise AuthenticationError("revoked", key_id)
        if self._rechecked.get(key_id, 0.0) < self._now():
            with suppress(StoreUnavailable):
                await self.get(key_id)
            _keep(self._rechecked, key_id, self._now() + RECHECKED_SECONDS)

    def revoke(self, key_id: str) -> None:
        """The log says so: believe nobody who shows it from now on."""
        _keep(self._revoked, key_id, None)
        for token, belief in tuple(self._believed.items()):
            if belief.principal.key_id == key_id:
                del self._believed[token]

    async def _find(self, key_id: str) -> tuple[str, Key | None]:
        """Nearly all keys are of the default tenant; the read model knows where others are."""
        loaded = await self._handler.load(KEYS, DEFAULT_TENANT, key_id)
        if loaded.version:
            return DEFAULT_TENANT, loaded.state
        row = await self._queries.find_key(key_id)
        if row is None:
            return DEFAULT_TENANT, None
        return row.tenant, (await self._handler.load(KEYS, row.tenant, key_id)).state

    def _believe(self, token: str, principal: Principal) -> None:
        now = self._now()
        belief = _Belief(
            principal=principal, until=now + BELIEVED_SECONDS, renew_at=now + RENEWED_SECONDS
        )
        _keep(self._believed, sha256_hex(token), belief)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _keep(kept: OrderedDict[str, Value], key: str, value: Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > REMEMBERED_KEYS:
        kept.popitem(last=False)
