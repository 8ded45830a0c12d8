"""One bounded transaction on a connection of the pool, with failures in the words of the ports."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.errors import translated

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]
CALL_SECONDS = 30.0


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncGenerator[Connection]:
    """A connection in a transaction, for one bounded call. Raises StoreUnavailable."""
    with translated():
        async with (
            asyncio.timeout(CALL_SECONDS),
            pool.connection() as connection,
            connection.transaction(),
        ):
            yield connection
