"""Blobs in a directory: `<tenant>/sha256/ab/cd…`, written aside, synced, then moved into place.

No file is held open between two steps, and none is touched on the event loop. A blob that is
there already is replaced all the same: uploading the content again heals a damaged one.
"""

import asyncio
import re
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from adapters.storage import blob_files
from adapters.storage.digests import RunningDigest
from domain.errors import BlobDamaged, BlobMissing, BlobTooLarge
from domain.ports import BlobStat

PIECE_BYTES = 1024 * 1024
CHECKED_FIRST_BYTES = 4 * PIECE_BYTES
THREADS = 8
LEFTOVER_SECONDS = 24 * 3600.0
TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

P = ParamSpec("P")
R = TypeVar("R")


class DirectoryBlobStore:
    """Implements `domain.ports.BlobStore`. Also raises StoreUnavailable when the disk fails."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / ".incoming"  # no tenant's name begins with a dot
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")

    async def start(self) -> None:
        """Sweep what crashed writes left behind; young files may be another process's."""
        await self._run(blob_files.sweep, self._incoming, time.time() - LEFTOVER_SECONDS)

    async def stop(self) -> None:
        self._threads.shutdown(wait=False)

    async def put(self, tenant: str, chunks: AsyncIterator[bytes], *, limit_bytes: int) -> BlobStat:
        directory = self._directory(tenant)
        file = await self._run(blob_files.begin, self._incoming)
        try:
            digest = RunningDigest()
            size = 0
            async with aclosing(_pieces(chunks, limit_bytes)) as pieces:
                async for piece in pieces:
                    await self._run(blob_files.write_piece, file, piece, digest)
                    size += len(piece)
            target = blob_files.path_of(directory, str(digest))
            await self._run(blob_files.finish, file, target)
        except BaseException:
            await self._run(blob_files.discard, file)
            raise
        return BlobStat(digest=str(digest), size=size)

    async def put_many(self, tenant: str, contents: Sequence[bytes]) -> list[BlobStat]:
        """Small contents at once: a thread for each, so that their syncs overlap."""
        directory = self._directory(tenant)
        puts = (
            self._run(blob_files.put_whole, self._incoming, directory, content)
            for content in contents
        )
        return list(await asyncio.gather(*puts))

    async def stat(self, tenant: str, digest: str) -> BlobStat | None:
        size = await self._run(blob_files.size_of, self._path(tenant, digest))
        return None if size is None else BlobStat(digest=digest, size=size)

    async def touch(self, tenant: str, digest: str) -> BlobStat | None:
        size = await self._run(blob_files.touch, self._path(tenant, digest))
        return None if size is None else BlobStat(digest=digest, size=size)

    async def read(self, tenant: str, digest: str) -> AsyncIterator[bytes]:
        """A small one is checked before its first piece is handed out."""
        path = self._path(tenant, digest)
        size = await self._run(blob_files.size_of, path)
        if size is None:
            raise BlobMissing(digest)
        if size <= CHECKED_FIRST_BYTES:
            content = await self.read_whole(tenant, digest)
            for start in range(0, size, PIECE_BYTES):
                yield content[start : start + PIECE_BYTES]
            return
        found = RunningDigest()
        for start in range(0, size, PIECE_BYTES):
            yield await self._run(blob_files.read_piece, path, digest, start, PIECE_BYTES, found)
        if str(found) != digest:
            raise BlobDamaged(digest)

    async def read_whole(self, tenant: str, digest: str) -> bytes:
        """Checked content, for what fits in memory."""
        return await self._run(blob_files.read_whole, self._path(tenant, digest), digest)

    async def belong_to(self, installation: str) -> bool:
        owner = await self._run(blob_files.first_owner, self._root, self._incoming, installation)
        return owner == installation

    async def tenants(self) -> Sequence[str]:
        return await self._run(blob_files.tenants, self._root, TENANT)

    async def list_old(self, tenant: str, before: datetime) -> AsyncGenerator[Sequence[str], None]:
        """A part is a 256th; empty ones are left out."""
        moment = before.timestamp()
        for shard in blob_files.SHARDS:
            directory = self._directory(tenant)
            if digests := await self._run(blob_files.list_shard, directory, shard, moment):
                yield digests

    async def remove_old(
        self, tenant: str, digests: Collection[str], before: datetime
    ) -> Sequence[BlobStat]:
        files = {digest: self._path(tenant, digest) for digest in digests}
        return await self._run(blob_files.remove_older, files, before.timestamp())

    async def remove(self, tenant: str, digests: Iterable[str]) -> None:
        """For erasure. The caller knows that nothing refers to them; absent ones are fine."""
        await self._run(blob_files.remove, [self._path(tenant, digest) for digest in digests])

    def _path(self, tenant: str, digest: str) -> Path:
        return blob_files.path_of(self._directory(tenant), digest)

    def _directory(self, tenant: str) -> Path:
        if not TENANT.fullmatch(tenant):
            raise ValueError(f"{tenant!r} is not the name of a tenant")
        return self._root / tenant

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))


async def _pieces(chunks: AsyncIterator[bytes], limit_bytes: int) -> AsyncGenerator[bytes, None]:
    """Regroup: a hop to a thread costs more than copying."""
    waiting = bytearray()
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit_bytes:
            raise BlobTooLarge(limit_bytes)
        waiting += chunk
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
