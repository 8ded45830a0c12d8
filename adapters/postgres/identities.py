"""What ids are called, in PostgreSQL: rows that can be erased, unlike anything in the log."""

from collections.abc import Collection, Mapping

from adapters.postgres.failures import borrowed
from adapters.postgres.tenants import TenantPool

PUT = """
INSERT INTO access.identities (tenant, subject, label) VALUES (%s, %s, %s)
ON CONFLICT (tenant, subject) DO UPDATE SET label = excluded.label, changed_at = clock_timestamp()
"""
LABELS = "SELECT subject, label FROM access.identities WHERE tenant = %s AND subject = ANY(%s)"
ERASE = "DELETE FROM access.identities WHERE tenant = %s AND subject = %s"


class PostgresIdentities:
    """Implements `domain.ports.Identities`. Raises StoreUnavailable."""

    def __init__(self, pool: TenantPool) -> None:
        self._pool = pool

    async def put(self, tenant: str, subject: str, label: str) -> None:
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(PUT, [tenant, subject, label])

    async def labels(self, tenant: str, subjects: Collection[str]) -> Mapping[str, str]:
        if not subjects:
            return {}
        async with borrowed(self._pool, tenant) as connection:
            cursor = await connection.execute(LABELS, [tenant, list(subjects)])
            return dict(await cursor.fetchall())

    async def erase(self, tenant: str, subject: str) -> None:
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(ERASE, [tenant, subject])
