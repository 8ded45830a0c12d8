"""Which image builds run now, so that a new process can tell which were lost."""

from collections.abc import Sequence

import msgspec

from adapters.postgres.failures import borrowed
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from domain.ports import RunningBuild

ADD = """
INSERT INTO work.image_builds (tenant, build_id, attempt, correlation_id)
VALUES (%(tenant)s, %(build_id)s, %(attempt)s, %(correlation_id)s) ON CONFLICT DO NOTHING
"""
REMOVE = """
DELETE FROM work.image_builds
WHERE tenant = %(tenant)s AND build_id = %(build_id)s AND attempt = %(attempt)s
"""
ALL = "SELECT tenant, build_id, attempt, correlation_id FROM work.image_builds"


class PostgresRunningBuilds:
    """Implements `domain.ports.RunningBuilds`."""

    def __init__(self, pool: TenantPool) -> None:
        self._pool = pool

    async def add(self, running: RunningBuild) -> None:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(ADD, msgspec.structs.asdict(running))

    async def remove(self, running: RunningBuild) -> None:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(REMOVE, msgspec.structs.asdict(running))

    async def all(self) -> Sequence[RunningBuild]:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            rows = await (await connection.execute(ALL)).fetchall()
        return [
            RunningBuild(tenant=tenant, build_id=build, attempt=attempt, correlation_id=correlation)
            for tenant, build, attempt, correlation in rows
        ]
