"""Secret values in PostgreSQL, encrypted: who has the database without the key file has nothing."""

from secrets import token_hex

from adapters.postgres.failures import borrowed
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from adapters.storage.keys import KeyRing
from adapters.storage.sealing import Place, Sealed, Sealer
from domain.errors import SecretMissing

REWRAP_ROWS = 200

PUT = """
INSERT INTO secrets.vault (tenant, reference, key_id, wrapped_key, ciphertext)
VALUES (%s, %s, %s, %s, %s)
"""
GET = """
SELECT key_id, wrapped_key, ciphertext FROM secrets.vault WHERE tenant = %s AND reference = %s
"""
ERASE = "DELETE FROM secrets.vault WHERE tenant = %s AND reference = %s"
WRAPPED_OTHERWISE = """
SELECT tenant, reference, key_id, wrapped_key, ciphertext
FROM secrets.vault WHERE key_id <> %s LIMIT %s FOR UPDATE SKIP LOCKED
"""
REWRAP = """
UPDATE secrets.vault SET key_id = %s, wrapped_key = %s WHERE tenant = %s AND reference = %s
"""


class EncryptedVault:
    """Implements `domain.ports.SecretVault`.

    Raises StoreUnavailable, SecretMissing, SecretUnreadable; no error holds a value.
    """

    def __init__(self, pool: TenantPool, keys: KeyRing) -> None:
        self._pool = pool
        self._sealer = Sealer(keys)

    async def put(self, tenant: str, value: str) -> tuple[str, str]:
        place = Place(tenant, f"secret-{token_hex(16)}")
        sealed = self._sealer.seal(place, value)
        row = [tenant, place.reference, sealed.key_id, sealed.wrapped_key, sealed.ciphertext]
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(PUT, row)
        return place.reference, self._sealer.compare(tenant, value)

    async def get(self, tenant: str, reference: str) -> str:
        async with borrowed(self._pool, tenant) as connection:
            cursor = await connection.execute(GET, [tenant, reference])
            row = await cursor.fetchone()
        if row is None:
            raise SecretMissing(reference)
        return self._sealer.open(Place(tenant, reference), Sealed(*row))

    async def erase(self, tenant: str, reference: str) -> None:
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(ERASE, [tenant, reference])

    async def rewrap(self) -> int:
        """After a rotation: until nothing needs an older key. Safe to repeat; how many it did."""
        done = 0
        while some := await self._rewrap_some():
            done += some
        return done

    async def _rewrap_some(self) -> int:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            cursor = await connection.execute(WRAPPED_OTHERWISE, [self._sealer.key_id, REWRAP_ROWS])
            rows = await cursor.fetchall()
            for tenant, reference, *sealed in rows:
                fresh = self._sealer.rewrap(Place(tenant, reference), Sealed(*sealed))
                change = [fresh.key_id, fresh.wrapped_key, tenant, reference]
                await connection.execute(REWRAP, change)
        return len(rows)
