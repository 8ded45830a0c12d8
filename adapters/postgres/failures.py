"""One bounded transaction on a connection of the pool, with failures in the words of the ports."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adapters.postgres.connections import AsyncConnection
from adapters.postgres.errors import translated
from adapters.postgres.tenants import TenantPool

CALL_SECONDS = 30.0


@asynccontextmanager
async def borrowed(pool: TenantPool, tenant: str | None) -> AsyncGenerator[AsyncConnection]:
    """A connection in a transaction, for one bounded call about this tenant's rows.

    Raises StoreUnavailable.
    """
    with translated():
        async with (
            asyncio.timeout(CALL_SECONDS),
            pool.connection(tenant) as connection,
            connection.transaction(),
        ):
            yield connection
