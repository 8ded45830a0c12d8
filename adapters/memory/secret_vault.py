"""Secrets in memory, for tests: the same promises as the encrypted vault, except surviving."""

import hmac
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_bytes

import msgspec

from domain.errors import SecretMissing
from domain.ports import StoredSecret


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    value: str
    owner: str
    put_at: datetime


class InMemorySecretVault:
    def __init__(self) -> None:
        self._key = token_bytes(32)
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def put(self, tenant: str, value: str, *, owner: str) -> tuple[str, str]:
        reference = f"secret-{self._hmac(tenant, owner, value)[:32]}"
        kept = _Kept(value=value, owner=owner, put_at=datetime.now(UTC))
        self._kept[tenant, reference] = kept
        return reference, self._hmac(tenant, value)

    async def get(self, tenant: str, reference: str) -> str:
        try:
            return self._kept[tenant, reference].value
        except KeyError:
            raise SecretMissing(reference) from None

    async def erase(self, tenant: str, references: Collection[str]) -> None:
        for reference in references:
            self._kept.pop((tenant, reference), None)

    async def erase_old(self, tenant: str, reference: str, before: datetime) -> None:
        kept = self._kept.get((tenant, reference))
        if kept is not None and kept.put_at < before:
            del self._kept[tenant, reference]

    async def list_old(
        self, before: datetime, *, after: StoredSecret | None = None, limit: int = 200
    ) -> Sequence[StoredSecret]:
        begin = ("", "") if after is None else (after.tenant, after.reference)
        old = sorted(
            place for place, kept in self._kept.items() if kept.put_at < before and place > begin
        )
        return [
            StoredSecret(tenant=tenant, reference=reference, owner=self._kept[place].owner)
            for place in old[:limit]
            for tenant, reference in [place]
        ]

    def age(self, reference: str, seconds: float) -> None:
        """As if it had been put so long ago."""
        for (tenant, name), kept in list(self._kept.items()):
            if name == reference:
                put_at = kept.put_at - timedelta(seconds=seconds)
                self._kept[tenant, name] = msgspec.structs.replace(kept, put_at=put_at)

    def _hmac(self, *parts: str) -> str:
        return hmac.digest(self._key, msgspec.json.encode(parts), "sha256").hex()
