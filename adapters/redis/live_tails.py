"""The newest chunks of each log, in a capped Stream: followers need neither index nor files.

Nothing here is the truth: a reader who finds a gap or nothing asks the log store. Entries are
identified by the offset at which they end, so a reader's offset is where its range begins.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from adapters.log_chunks import cut, end_of
from adapters.redis.connection import Client, RedisAway, RedisConnection
from domain.ports import LogChunk

PREFIX = "eulermaker:tail:"
FIELD = b"chunk"
CHUNKS = 64
CHUNK_BYTES = 64 * 1024
"""Larger ones come so fast that reading them from the page cache is no worse."""
KEPT_SECONDS = 600
"""An erased log is gone from here at once, or after this time if Redis was away."""


class LiveTails:
    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(LogChunk).decode

    async def push(self, tenant: str, subject: str, chunks: Sequence[LogChunk]) -> None:
        """Chunks that are stored already; ones that are here already stay as they are."""
        fitting = [chunk for chunk in chunks[-CHUNKS:] if len(chunk.data) <= CHUNK_BYTES]
        if fitting:
            with suppress(RedisAway):
                await self._redis.call(lambda client: self._add(client, tenant, subject, fitting))

    async def read(
        self, tenant: str, subject: str, *, from_offset: int, limit_bytes: int
    ) -> Sequence[LogChunk]:
        """What LogStore.read would return, or nothing."""
        key = _key(tenant, subject)
        try:
            entries: Any = await self._redis.call(
                lambda client: client.xrange(key, min=f"{from_offset + 1}-0", count=CHUNKS)
            )
            chunks = [self._decode(fields[FIELD]) for _, fields in entries]
        except (RedisAway, msgspec.DecodeError, KeyError):
            return ()
        return cut(_without_gaps(chunks, from_offset), limit_bytes)

    async def drop(self, tenant: str, subject: str) -> None:
        with suppress(RedisAway):
            await self._redis.call(lambda client: client.delete(_key(tenant, subject)))

    async def _add(
        self, client: Client, tenant: str, subject: str, chunks: Sequence[LogChunk]
    ) -> None:
        key = _key(tenant, subject)
        async with client.pipeline(transaction=False) as pipeline:
            for chunk in chunks:
                pipeline.xadd(
                    key, {FIELD: self._encode(chunk)}, id=f"{end_of(chunk)}-0", maxlen=CHUNKS
                )
            pipeline.expire(key, KEPT_SECONDS)
            await pipeline.execute(raise_on_error=False)


def _key(tenant: str, subject: str) -> str:
    return f"{PREFIX}{tenant}:{subject}"


def _without_gaps(chunks: Sequence[LogChunk], from_offset: int) -> Sequence[LogChunk]:
    """Those that can be reached from the offset without missing a byte."""
    reached = from_offset
    for count, chunk in enumerate(chunks):
        if chunk.offset > reached:
            return chunks[:count]
        reached = end_of(chunk)
    return chunks
