"""What goes wrong between us and PostgreSQL, said in the words of the ports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection, Error
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from domain.errors import StoreUnavailable

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]
CALL_SECONDS = 30.0
WAIT_SECONDS = 5.0


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in a transaction, for one bounded call. Raises StoreUnavailable.

    The driver's own words are kept as the cause only: they may quote values.
    """
    try:
        async with (
            asyncio.timeout(CALL_SECONDS),
            pool.connection(WAIT_SECONDS) as connection,
            connection.transaction(),
        ):
            yield connection
    except (Error, PoolTimeout, PoolClosed, TimeoutError) as error:
        raise StoreUnavailable("The database cannot be reached now. Try again.") from error
