"""The EventStore port on PostgreSQL."""

from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg

from adapters.postgres.envelope import encode_append
from adapters.postgres.errors import translated
from adapters.postgres.event_mapper import EventMapper
from adapters.postgres.rows import (
    HEAD,
    RECEIPT,
    SELECT_EVENTS,
    head_of,
    receipt_of,
    recorded_event,
)
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from adapters.postgres.writer import GRACE_SECONDS, MAX_WAITING, BatchWriter
from domain.event import Append, LogHead, Receipt, RecordedEvent

READERS = 4

STREAM = (
    SELECT_EVENTS + " WHERE tenant = %s AND stream = %s AND version > %s ORDER BY version LIMIT %s"
)
LOG = SELECT_EVENTS + " WHERE position > %s ORDER BY position LIMIT %s"
LOG_OF_TENANT = SELECT_EVENTS + " WHERE tenant = %s AND position > %s ORDER BY position LIMIT %s"


class PostgresEventStore:
    """Commands go through one `BatchWriter`, reads through a small pool."""

    def __init__(
        self,
        url: str,
        *,
        readers: int = READERS,
        max_waiting: int = MAX_WAITING,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        """url: of the service's role. grace_seconds: how long a lost database is waited for."""
        self._mapper = EventMapper()
        self._writer = BatchWriter(url, max_waiting=max_waiting, grace_seconds=grace_seconds)
        self._pool = TenantPool(url, "log reader", size=readers)

    @property
    def waiting(self) -> int:
        """Commands that are not sent yet."""
        return self._writer.waiting

    async def start(self) -> None:
        """Returns at once: a database that is away is waited for by whoever needs it."""
        await self._pool.open()
        await self._writer.start()

    async def stop(self) -> None:
        """Records what is waiting. Safe twice, safe before start."""
        await self._writer.stop()
        await self._pool.close()

    async def append(self, append: Append) -> Receipt:
        bodies = [self._mapper.encode(event) for event in append.events]
        return await self._writer.submit(encode_append(append, bodies))

    async def find_receipt(self, tenant: str, command_id: str) -> Receipt | None:
        rows = await self._rows(tenant, RECEIPT, (tenant, command_id))
        return receipt_of(rows[0]) if rows else None

    async def read_stream(
        self, tenant: str, stream: str, *, after_version: int = 0, limit: int = 1_000
    ) -> Sequence[RecordedEvent]:
        rows = await self._rows(tenant, STREAM, (tenant, stream, after_version, limit))
        return self._recorded(rows)

    async def read_log(
        self, after: int, *, limit: int = 1_000, tenant: str | None = None
    ) -> Sequence[RecordedEvent]:
        if tenant is None:
            return self._recorded(await self._rows(EVERY_TENANT, LOG, (after, limit)))
        return self._recorded(await self._rows(tenant, LOG_OF_TENANT, (tenant, after, limit)))

    async def head(self) -> LogHead:
        rows = await self._rows(EVERY_TENANT, HEAD, ())
        return head_of(rows[0])

    def _recorded(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[RecordedEvent]:
        decode = self._mapper.decode
        return [recorded_event(row, decode) for row in rows]

    async def _rows(
        self, tenant: str | None, query: LiteralString, parameters: tuple[object, ...]
    ) -> Sequence[tuple[Any, ...]]:
        with translated():
            try:
                return await self._query(tenant, query, parameters)
            except psycopg.OperationalError:
                # The server went away meanwhile, and a read may be repeated.
                return await self._query(tenant, query, parameters)

    async def _query(
        self, tenant: str | None, query: LiteralString, parameters: tuple[object, ...]
    ) -> Sequence[tuple[Any, ...]]:
        async with self._pool.connection(tenant) as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(query, parameters)
            return await cursor.fetchall()
