"""Which tenant a connection works for: row-level security shows it that tenant's rows only.

This guards against our own mistakes, see docs/decisions/0008-tenants.md.
"""

import asyncio
import select
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from adapters.postgres.connections import ALL_ROWS, parameters

RECONNECT_SECONDS = 0.5
WAIT_SECONDS, ASK_SECONDS = 5.0, 1.0
"""A pool whose attempt to connect failed makes the next one only when somebody asks again."""
MAX_WAITING = 1_000
EVERY_TENANT: Final = None
"""For what follows the whole log, and for what is of no tenant."""

STATE = "SELECT set_config('eulermaker.tenant', %s, false)"


class TenantConnection(psycopg.AsyncConnection[TupleRow]):
    """Remembers the tenant that it has stated, so that the same one again costs nothing."""

    _stated: str | None = None

    async def state(self, tenant: str) -> None:
        """Not in a transaction: if that is rolled back, so is this. Raises ValueError."""
        if tenant == self._stated:
            return
        if tenant == ALL_ROWS:
            raise ValueError(f"A tenant cannot be called {ALL_ROWS!r}: that is every tenant.")
        self._stated = None  # as long as it is not known whether it was stated
        await self.execute(STATE, [tenant])
        self._stated = tenant


class TenantPool:
    """Connections for one tenant at a time, and others that see every tenant.

    They are kept apart: else what follows the log and what answers a tenant would take turns on
    each connection, and each would have to state its own anew.
    """

    def __init__(self, url: str, name: str, *, size: int) -> None:
        """Not open yet. size: at most as many for single tenants, and half as many for all."""
        single = parameters(name)
        every = parameters(f"{name} of every tenant", every_tenant=True)
        self._single = _pool(url, single, smallest=1, largest=size)
        self._every = _pool(url, every, smallest=0, largest=(size + 1) // 2)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Returns at once: a database that is away is waited for by whoever asks."""
        await self._single.open()
        await self._every.open()

    async def close(self) -> None:
        await self._single.close()
        await self._every.close()

    @asynccontextmanager
    async def connection(self, tenant: str | None) -> AsyncGenerator[TenantConnection]:
        """One that sees the rows of this tenant, or of EVERY_TENANT. It commits by itself."""
        pool = self._every if tenant is None else self._single
        before = _cancellations()
        connection = await _take(pool)
        try:
            if _cancellations() > before:  # its wait_for swallows one before Python 3.12
                raise asyncio.CancelledError
            if tenant is not None:
                await connection.state(tenant)
            yield connection
        finally:
            await pool.putconn(connection)


async def _take(pool: AsyncConnectionPool[TenantConnection]) -> TenantConnection:
    """Raises PoolTimeout."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    while loop.time() < deadline:
        with suppress(PoolTimeout):
            connection = await pool.getconn(ASK_SECONDS)
            if not _is_lost(connection):
                return connection
            await connection.close()
            await pool.putconn(connection)
    raise PoolTimeout(f"no connection came within {WAIT_SECONDS:.0f} s")


def _is_lost(connection: TenantConnection) -> bool:
    """What comes although nothing was asked is a goodbye: the server was restarted, say."""
    if connection.closed:
        return True
    unasked = select.poll()
    unasked.register(connection.fileno(), select.POLLIN)
    return bool(unasked.poll(0))


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _pool(
    url: str, settings: dict[str, Any], *, smallest: int, largest: int
) -> AsyncConnectionPool[TenantConnection]:
    return AsyncConnectionPool(
        url,
        connection_class=TenantConnection,
        kwargs=settings,
        min_size=smallest,
        max_size=largest,
        max_waiting=MAX_WAITING,
        reconnect_timeout=RECONNECT_SECONDS,
        open=False,
        name=settings["application_name"],
    )
