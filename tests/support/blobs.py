"""Blob stores to be tested, and what tests do with blobs."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.memory.blob_store import InMemoryBlobStore
from adapters.storage.blob_store import DirectoryBlobStore
from domain.ports import BlobStore

MEBIBYTE = 1024 * 1024
SHORT_SECONDS = 0.2  # a call that nothing held up would have come to its end
LARGE = os.urandom(MEBIBYTE) * 6
ABSENT = f"sha256:{'0' * 64}"
HOUR = 3600.0

Change = Callable[[str], None]


class Subject:
    """damage: flips a bit of a blob. age: makes it two hours old."""

    def __init__(self, store: BlobStore, *, damage: Change, age: Change) -> None:
        self.store = store
        self.damage = damage
        self.age = age


def a_subject(kind: str, directory: Path) -> Subject:
    """kind: memory or directory."""
    if kind == "memory":
        memory = InMemoryBlobStore()
        return Subject(
            memory,
            damage=lambda digest: memory.damage("t", digest),
            age=lambda digest: memory.age("t", digest, 2 * HOUR),
        )
    return Subject(
        DirectoryBlobStore(directory),
        damage=lambda digest: flip(file_of(directory, digest)),
        age=lambda digest: make_old(file_of(directory, digest)),
    )


def file_of(root: Path, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    return root / "t" / "sha256" / name[:2] / name[2:]


def files_in(root: Path) -> list[Path]:
    return [each for each in root.rglob("*") if each.is_file()]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def make_old(file: Path) -> None:
    then = time.time() - 2 * HOUR
    os.utime(file, (then, then))


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=HOUR)


async def old_ones(store: BlobStore, tenant: str = "t") -> list[str]:
    return [digest async for part in store.list_old(tenant, an_hour_ago()) for digest in part]


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def put(store: BlobStore, *contents: bytes, tenant: str = "t") -> str:
    stat = await store.put(tenant, pieces(*contents), limit_bytes=10 * MEBIBYTE)
    assert stat.size == sum(map(len, contents))
    return stat.digest


async def get(store: BlobStore, digest: str, *, tenant: str = "t") -> bytes:
    return b"".join([piece async for piece in store.read(tenant, digest)])


def run(awaitable: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            await awaitable()

    asyncio.run(main())
