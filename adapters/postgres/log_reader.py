"""Reads the log on a connection of its own, which also hears when there is more to read."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from adapters.postgres.connections import connect
from adapters.postgres.prepared_call import PreparedCall
from adapters.postgres.rows import SELECT_EVENTS, Decode, recorded_event
from domain.event import RecordedEvent

LOG = SELECT_EVENTS + " WHERE position > $1::bigint ORDER BY position LIMIT $2::bigint"
READ_SECONDS = 15.0

_bigint: Callable[[int], bytes] = struct.Struct(">q").pack


class LogReader:
    def __init__(self, call: PreparedCall, decode: Decode) -> None:
        self._call = call
        self._decode = decode

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """As EventStore.read_log, of every tenant. Raises what UNREACHABLE names."""
        async with asyncio.timeout(READ_SECONDS):
            rows = await self._call([_bigint(after), _bigint(limit)])
        return [recorded_event(row, self._decode) for row in rows]


@asynccontextmanager
async def log_reader(
    url: str, decode: Decode, heard: Callable[[], None]
) -> AsyncGenerator[LogReader]:
    """heard: called at each notification, and when the connection is lost."""
    async with asyncio.timeout(READ_SECONDS):
        call = await _listening(url, heard)
    try:
        yield LogReader(call, decode)
    finally:
        await call.close()


async def _listening(url: str, heard: Callable[[], None]) -> PreparedCall:
    connection = await connect(url, "log tail", every_tenant=True)
    try:
        await connection.execute("LISTEN eulermaker_log")
        return await PreparedCall.open(connection, LOG, heard=heard)
    except BaseException:
        await connection.close()
        raise
