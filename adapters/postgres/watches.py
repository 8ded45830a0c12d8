"""When each engine was last watched, and the name of this installation."""

from datetime import datetime

from adapters.postgres.failures import borrowed
from adapters.postgres.tenants import EVERY_TENANT, TenantPool

LAST = "SELECT watched_at FROM work.watched WHERE engine_id = %s"
SAVE = """
INSERT INTO work.watched (engine_id, watched_at) VALUES (%s, %s)
ON CONFLICT (engine_id) DO UPDATE SET watched_at = excluded.watched_at
"""
INSTALLATION = "SELECT id FROM work.installation"


class PostgresWatches:
    def __init__(self, pool: TenantPool) -> None:
        self._pool = pool

    async def last(self, engine_id: str) -> datetime | None:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            row = await (await connection.execute(LAST, [engine_id])).fetchone()
        return None if row is None else row[0]

    async def save(self, engine_id: str, at: datetime) -> None:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(SAVE, [engine_id, at])


async def installation_id(pool: TenantPool) -> str:
    async with borrowed(pool, EVERY_TENANT) as connection:
        row = await (await connection.execute(INSTALLATION)).fetchone()
    if row is None:
        raise LookupError("The database has no installation id: was it migrated?")
    return str(row[0])
