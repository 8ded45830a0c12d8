"""Exchanges the key that wraps the stored secrets. Killed anywhere, it goes on where it stopped.

1. A new key joins the key file, for all that is put from now on.
2. What older keys wrap is wrapped anew, a bounded part at a time, while the vault is in use.
3. Alone with the table, and with nothing left that needs them, it takes the old keys out of the
   file.

The root of the HMACs stays, so values put before and after still compare.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString

import msgspec

from adapters.postgres.connections import AsyncConnection
from adapters.postgres.failures import borrowed
from adapters.postgres.secret_vault import USE
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from adapters.storage.keys import KeyRing, add_key, load_key, retire_keys
from adapters.storage.sealing import Place, Sealed, Sealer

REWRAP_ROWS = 200

ALONE = "LOCK TABLE secrets.vault IN ACCESS EXCLUSIVE MODE"
WRAPPED_OTHERWISE = """
SELECT tenant, reference, key_id, wrapped_key, ciphertext
FROM secrets.vault WHERE key_id <> %s LIMIT %s FOR UPDATE SKIP LOCKED
"""
REWRAP = """
UPDATE secrets.vault SET key_id = %s, wrapped_key = %s WHERE tenant = %s AND reference = %s
"""
LEFT = "SELECT count(*) FROM secrets.vault WHERE key_id <> %s"


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. resumed: an earlier one had not come to its end, and this was its rest."""

    key_id: str
    rewrapped: int
    retired: tuple[str, ...]
    resumed: bool


class KeyRotation:
    """Raises StoreUnavailable, SecretUnreadable, KeyFileError. Any number may run at a time."""

    def __init__(self, pool: TenantPool, key_file: Path) -> None:
        self._pool = pool
        self._key_file = key_file

    async def run(self, on_progress: Callable[[int, int], None]) -> Rotation:
        resumed = await self.begin()
        done = 0
        keys: KeyRing | None = None
        while keys is None:
            while left := await self._left():
                on_progress(done, done + left)
                done += await self.rewrap_some()
            keys = await self.retire()
        return Rotation(
            key_id=keys.current.id,
            rewrapped=done,
            retired=tuple(key.id for key in keys.wrapping[1:]),
            resumed=resumed,
        )

    async def begin(self) -> bool:
        """A new key for what is put from now on; whether there was one already."""
        async with self._locked(ALONE) as (_, keys):
            resumed = len(keys.wrapping) > 1
            if not resumed:
                await asyncio.to_thread(add_key, self._key_file)
        return resumed

    async def rewrap_some(self) -> int:
        async with self._locked(USE) as (connection, keys):
            sealer = Sealer(keys)
            parameters = [sealer.key_id, REWRAP_ROWS]
            cursor = await connection.execute(WRAPPED_OTHERWISE, parameters)
            rows = await cursor.fetchall()
            for row in rows:
                await _rewrap(connection, sealer, row)
        return len(rows)

    async def retire(self) -> KeyRing | None:
        """The keys as they were, of which only the newest is left; None where all are needed."""
        async with self._locked(ALONE) as (connection, keys):
            if await _count(connection, keys):
                return None
            await asyncio.to_thread(retire_keys, self._key_file)
        return keys

    async def _left(self) -> int:
        async with self._locked(USE) as (connection, keys):
            return await _count(connection, keys)

    @asynccontextmanager
    async def _locked(self, lock: LiteralString) -> AsyncGenerator[tuple[AsyncConnection, KeyRing]]:
        """The keys of this moment: no rotation adds or retires one as long as it lasts."""
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(lock)
            yield connection, await asyncio.to_thread(load_key, self._key_file)


async def _count(connection: AsyncConnection, keys: KeyRing) -> int:
    """Values that another key than the current one wraps."""
    cursor = await connection.execute(LEFT, [keys.current.id])
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def _rewrap(connection: AsyncConnection, sealer: Sealer, row: tuple[Any, ...]) -> None:
    tenant, reference, *sealed = row
    fresh = sealer.rewrap(Place(tenant, reference), Sealed(*sealed))
    change = [fresh.key_id, fresh.wrapped_key, tenant, reference]
    await connection.execute(REWRAP, change)
