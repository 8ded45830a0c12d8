"""Logs: an index in PostgreSQL, the bytes in files, each chunk checked when it is read.

Chunks below INLINE_BYTES stay in their rows, so that a slow log costs one commit a line and no
file. The files are a blob store of its own: erasing a log removes those that no other one shares.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from adapters.log_chunks import check_batch, how_many_fit
from adapters.postgres.connections import AsyncConnection
from adapters.postgres.failures import borrowed
from adapters.postgres.tenants import TenantPool
from adapters.storage.blob_store import DirectoryBlobStore
from adapters.storage.digests import named, sha256_of
from domain.errors import BlobDamaged, BlobsOfAnother, ConcurrencyConflict, LogClosed
from domain.ports import LogChunk, LogEnd, LogStreamName

INLINE_BYTES = 32 * 1024  # here a file costs twice the time of a row, beyond 64 KiB less
READ_CHUNKS = 1_024
ERASE_CHUNKS = 1_000
ONE_DAY = timedelta(days=1)
LOCK_CLASS = 0x6C6F6773  # "logs"; the second half of the lock is the tenant

# Taken while blobs have no row yet: an erasure that runs meanwhile would take them for unused.
KEEP_BLOBS = "SELECT pg_advisory_xact_lock_shared(%s, hashtext(%s))"
REMOVE_BLOBS = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"
APPEND = """
SELECT outcome, next_sequence FROM logs.append(
    %b::text, %b::text, %b::bigint, %b::bigint,
    %b::text[], %b::integer[], %b::bytea[], %b::bytea[])
"""
CLOSE = """
INSERT INTO logs.subjects (tenant, subject, closed) VALUES (%s, %s, true)
ON CONFLICT (tenant, subject) DO UPDATE SET closed = true, changed_at = clock_timestamp()
"""
MARK_COMPLETE = """
INSERT INTO logs.subjects (tenant, subject, complete_until) VALUES (%s, %s, %s)
ON CONFLICT (tenant, subject) DO UPDATE
SET complete_until = greatest(subjects.complete_until, excluded.complete_until),
    changed_at = clock_timestamp()
"""
END = """
SELECT next_sequence, next_offset, closed, complete_until
FROM logs.subjects WHERE tenant = %s AND subject = %s
"""
READ = """
SELECT sequence, stream, end_offset - size, end_offset, digest, content
FROM logs.chunks
WHERE tenant = %s AND subject = %s AND end_offset > %s AND end_offset - size < %s
ORDER BY end_offset
LIMIT %s
"""
ERASE = """
DELETE FROM logs.chunks
WHERE tenant = %(tenant)s AND subject = %(subject)s AND end_offset IN (
    SELECT end_offset FROM logs.chunks
    WHERE tenant = %(tenant)s AND subject = %(subject)s
    ORDER BY end_offset LIMIT %(limit)s)
RETURNING digest, content IS NULL
"""
STILL_NEEDED = """
SELECT DISTINCT digest FROM logs.chunks
WHERE tenant = %s AND digest = ANY(%b::bytea[]) AND content IS NULL
"""
FORGET = "DELETE FROM logs.subjects WHERE tenant = %s AND subject = %s"


class _Entry(msgspec.Struct, frozen=True):
    sequence: int
    stream: LogStreamName
    offset: int
    end: int
    sha256: bytes
    content: bytes | None


class StoredLogs:
    """Implements `domain.ports.LogStore`. Raises StoreUnavailable, BlobMissing, BlobDamaged;
    append also LogClosed, and ConcurrencyConflict for chunks that do not continue the log."""

    def __init__(self, pool: TenantPool, blobs: DirectoryBlobStore) -> None:
        self._pool = pool
        self._blobs = blobs

    async def append(self, tenant: str, subject: str, chunks: Sequence[LogChunk]) -> None:
        check_batch(chunks)
        if not chunks:
            return
        async with borrowed(self._pool, tenant) as connection:
            digests = await self._keep(connection, tenant, chunks)
            arguments = [tenant, subject, *_columns(chunks, digests)]
            cursor = await connection.execute(APPEND, arguments)
            outcome, next_sequence = await cursor.fetchone() or ("", 0)
            if outcome == "closed":
                raise LogClosed(subject)
            if outcome == "conflict":
                raise ConcurrencyConflict(subject, chunks[0].sequence, next_sequence)

    async def close(self, tenant: str, subject: str) -> None:
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(CLOSE, [tenant, subject])

    async def mark_complete(self, tenant: str, subject: str, *, until: datetime) -> None:
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(MARK_COMPLETE, [tenant, subject, until])

    async def end(self, tenant: str, subject: str) -> LogEnd:
        async with borrowed(self._pool, tenant) as connection:
            cursor = await connection.execute(END, [tenant, subject])
            row = await cursor.fetchone()
        if row is None:
            return LogEnd()
        sequence, offset, closed, until = row
        return LogEnd(
            next_sequence=sequence, next_offset=offset, closed=closed, complete_until=until
        )

    async def read(
        self, tenant: str, subject: str, *, from_offset: int = 0, limit_bytes: int = 1_048_576
    ) -> Sequence[LogChunk]:
        before = from_offset + max(limit_bytes, 1)
        async with borrowed(self._pool, tenant) as connection:
            cursor = await connection.execute(
                READ, [tenant, subject, from_offset, before, READ_CHUNKS], binary=True
            )
            rows = await cursor.fetchall()
        entries = [_Entry(*row) for row in rows]
        start = entries[0].offset if entries else 0
        fitting = how_many_fit(start, [entry.end for entry in entries], limit_bytes)
        return await self._fill(tenant, entries[:fitting])

    async def erase(self, tenant: str, subject: str) -> None:
        """Everything of it, bytes included. Nobody may append to it meanwhile."""
        while await self._erase_some(tenant, subject):
            continue
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(FORGET, [tenant, subject])

    async def remove_orphans(self, installation: str, *, older_than: timedelta = ONE_DAY) -> int:
        """Files of appends that were never finished; for a job that runs now and then.

        installation: of the database that says so. Raises BlobsOfAnother.
        """
        if not await self._blobs.belong_to(installation):
            raise BlobsOfAnother
        before = datetime.now(UTC) - older_than
        removed = 0
        for tenant in await self._blobs.tenants():
            async for digests in self._blobs.list_old(tenant, before):
                async with borrowed(self._pool, tenant) as connection:
                    await connection.execute(REMOVE_BLOBS, [LOCK_CLASS, tenant])
                    stored = {sha256_of(digest) for digest in digests}
                    removed += await self._remove_unneeded(connection, tenant, stored)
        return removed

    async def _keep(
        self, connection: AsyncConnection, tenant: str, chunks: Sequence[LogChunk]
    ) -> list[bytes]:
        """Store the large ones; the digests of all."""
        large = [chunk.data for chunk in chunks if not _is_inline(chunk)]
        if large:
            await connection.execute(KEEP_BLOBS, [LOCK_CLASS, tenant])
        stored = iter(await self._blobs.put_many(tenant, large))
        return [
            sha256(chunk.data).digest() if _is_inline(chunk) else sha256_of(next(stored).digest)
            for chunk in chunks
        ]

    async def _fill(self, tenant: str, entries: Sequence[_Entry]) -> Sequence[LogChunk]:
        stored = iter(
            await asyncio.gather(
                *(
                    self._blobs.read_whole(tenant, named(entry.sha256))
                    for entry in entries
                    if entry.content is None
                )
            )
        )
        return [
            LogChunk(
                sequence=entry.sequence,
                stream=entry.stream,
                offset=entry.offset,
                data=next(stored) if entry.content is None else _checked(entry, entry.content),
            )
            for entry in entries
        ]

    async def _erase_some(self, tenant: str, subject: str) -> bool:
        """A transaction of bounded size. Files go before it commits: after a crash, try again."""
        async with borrowed(self._pool, tenant) as connection:
            await connection.execute(REMOVE_BLOBS, [LOCK_CLASS, tenant])
            which = {"tenant": tenant, "subject": subject, "limit": ERASE_CHUNKS}
            cursor = await connection.execute(ERASE, which)
            erased = await cursor.fetchall()
            stored = {digest for digest, is_blob in erased if is_blob}
            await self._remove_unneeded(connection, tenant, stored)
        return bool(erased)

    async def _remove_unneeded(
        self, connection: AsyncConnection, tenant: str, stored: set[bytes]
    ) -> int:
        """Under the exclusive lock."""
        cursor = await connection.execute(STILL_NEEDED, [tenant, sorted(stored)])
        unneeded = stored - {digest for (digest,) in await cursor.fetchall()}
        await self._blobs.remove(tenant, [named(digest) for digest in unneeded])
        return len(unneeded)


def _checked(entry: _Entry, content: bytes) -> bytes:
    if sha256(content).digest() != entry.sha256:
        raise BlobDamaged(named(entry.sha256))
    return content


def _is_inline(chunk: LogChunk) -> bool:
    return len(chunk.data) < INLINE_BYTES


def _columns(chunks: Sequence[LogChunk], digests: list[bytes]) -> Iterator[object]:
    yield chunks[0].sequence
    yield chunks[0].offset
    yield [chunk.stream for chunk in chunks]
    yield [len(chunk.data) for chunk in chunks]
    yield digests
    yield [chunk.data if _is_inline(chunk) else b"" for chunk in chunks]
