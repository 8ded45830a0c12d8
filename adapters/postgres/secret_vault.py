"""Secret values in PostgreSQL, encrypted: who has the database without the key file has nothing.

The key file is read for each call, so that all processes see at once when its key is exchanged.
Each call touches the table before it reads the file: no key goes while somebody may use it, since
the table must be had alone for that (`adapters.postgres.key_rotation`).
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from adapters.postgres.failures import borrowed
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from adapters.storage.keys import KeyFileError, KeyRing
from adapters.storage.sealing import Place, Sealed, Sealer
from domain.errors import SecretMissing, StoreUnavailable
from domain.ports import StoredSecret

USE = "LOCK TABLE secrets.vault IN ROW EXCLUSIVE MODE"
PUT = """
INSERT INTO secrets.vault (tenant, reference, owner, key_id, wrapped_key, ciphertext)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (tenant, reference) DO UPDATE SET created_at = clock_timestamp()
"""
GET = """
SELECT key_id, wrapped_key, ciphertext FROM secrets.vault WHERE tenant = %s AND reference = %s
"""
ERASE = "DELETE FROM secrets.vault WHERE tenant = %s AND reference = ANY(%s)"
ERASE_OLD = f"{ERASE} AND created_at < %s"
OLD = """
SELECT tenant, reference, owner FROM secrets.vault
WHERE created_at < %s AND owner IS NOT NULL AND (tenant, reference) > (%s, %s)
ORDER BY tenant, reference LIMIT %s
"""


class EncryptedVault:
    """Implements `domain.ports.SecretVault`.

    Raises StoreUnavailable, SecretMissing, SecretUnreadable; no error holds a value.
    """

    def __init__(self, pool: TenantPool, load_keys: Callable[[], KeyRing]) -> None:
        """load_keys: may block. Raises KeyFileError."""
        self._pool = pool
        self._load_keys = load_keys

    async def put(self, tenant: str, value: str, *, owner: str) -> tuple[str, str]:
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(USE)
            sealer = await self._sealer()
            place = Place(tenant, sealer.reference(tenant, owner, value))
            sealed = sealer.seal(place, value)
            row = [tenant, place.reference, owner, *_columns(sealed)]
            await connection.execute(PUT, row)
        return place.reference, sealer.compare(tenant, value)

    async def get(self, tenant: str, reference: str) -> str:
        async with borrowed(self._pool, tenant) as connection:
            cursor = await connection.execute(GET, [tenant, reference])
            row = await cursor.fetchone()
            if row is None:
                raise SecretMissing(reference)
            sealer = await self._sealer()
        return sealer.open(Place(tenant, reference), Sealed(*row))

    async def erase(self, tenant: str, references: Collection[str]) -> None:
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(ERASE, [tenant, list(references)])

    async def erase_old(self, tenant: str, reference: str, before: datetime) -> None:
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(ERASE_OLD, [tenant, [reference], before])

    async def list_old(
        self, before: datetime, *, after: StoredSecret | None = None, limit: int = 200
    ) -> Sequence[StoredSecret]:
        begin = ("", "") if after is None else (after.tenant, after.reference)
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            cursor = await connection.execute(OLD, [before, *begin, limit])
            rows = await cursor.fetchall()
        return [
            StoredSecret(tenant=tenant, reference=reference, owner=owner)
            for tenant, reference, owner in rows
        ]

    async def _sealer(self) -> Sealer:
        try:
            return Sealer(await asyncio.to_thread(self._load_keys))
        except KeyFileError as error:
            raise StoreUnavailable(
                "The key file of the stored secrets cannot be used. Run `eulermaker doctor`."
            ) from error


def _columns(sealed: Sealed) -> tuple[str, bytes, bytes]:
    return sealed.key_id, sealed.wrapped_key, sealed.ciphertext
