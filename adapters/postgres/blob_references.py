"""Which blobs the log speaks of: a table that follows the log, so that asking it is cheap."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet

from adapters.postgres.failures import borrowed
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from adapters.storage.digests import named, sha256_of

PROCESS = "blob-references"

POSITION = "SELECT position FROM work.processes WHERE name = %s"
BEGIN = "INSERT INTO work.processes (name, position) VALUES (%s, 0) ON CONFLICT DO NOTHING"
ADVANCE = "UPDATE work.processes SET position = %s WHERE name = %s AND position = %s"
ADD = """
INSERT INTO work.blob_references (digest) SELECT unnest(%s::bytea[]) ON CONFLICT DO NOTHING
"""
MENTIONED = "SELECT digest FROM work.blob_references WHERE digest = ANY(%s::bytea[])"


class PostgresBlobReferences:
    """Implements `domain.ports.BlobReferences`."""

    def __init__(self, pool: TenantPool) -> None:
        self._pool = pool

    async def position(self) -> int:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            row = await (await connection.execute(POSITION, [PROCESS])).fetchone()
        return 0 if row is None else int(row[0])

    async def add(self, digests: Collection[str], *, after: int, position: int) -> bool:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(BEGIN, [PROCESS])
            advanced = await connection.execute(ADVANCE, [position, PROCESS, after])
            if advanced.rowcount == 0:
                return False
            await connection.execute(ADD, [[sha256_of(digest) for digest in digests]])
        return True

    async def mentioned(self, digests: Collection[str]) -> AbstractSet[str]:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            asked = [sha256_of(digest) for digest in digests]
            rows = await (await connection.execute(MENTIONED, [asked])).fetchall()
        return {named(digest) for (digest,) in rows}
