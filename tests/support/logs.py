"""The log stores, and logs to keep in them."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.memory.log_store import InMemoryLogStore
from adapters.postgres.log_store import INLINE_BYTES, StoredLogs
from adapters.postgres.tenants import TenantPool
from adapters.storage.blob_store import DirectoryBlobStore
from domain.ports import LogChunk, LogStreamName
from tests.support.postgres import Database

Store = InMemoryLogStore | StoredLogs
Body = Callable[[Store], Awaitable[None]]
Run = Callable[[Body], None]

BIG = os.urandom(INLINE_BYTES * 2)


def runner(directory: Path, database: Database | None) -> Run:
    async def main(body: Body) -> None:
        async with asyncio.timeout(120), opened(directory, database) as store:
            await body(store)

    return lambda body: asyncio.run(main(body))


@asynccontextmanager
async def opened(directory: Path, database: Database | None) -> AsyncGenerator[Store]:
    if database is None:
        yield InMemoryLogStore()
        return
    blobs = DirectoryBlobStore(directory)
    async with TenantPool(database.service_url, "logs", size=4) as pool:
        yield StoredLogs(pool, blobs)
    await blobs.stop()


def a_log(*contents: bytes, sequence: int = 0, offset: int = 0) -> Sequence[LogChunk]:
    chunks: list[LogChunk] = []
    for content in contents:
        stream: LogStreamName = "stderr" if sequence % 2 else "stdout"
        chunks.append(LogChunk(sequence=sequence, stream=stream, offset=offset, data=content))
        sequence, offset = sequence + 1, offset + len(content)
    return chunks
