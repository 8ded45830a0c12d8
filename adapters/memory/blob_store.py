"""Blobs in memory, for tests: the same promises as the directory's, except surviving."""

import hashlib
from collections.abc import AsyncIterator

from domain.errors import BlobDamaged, BlobMissing, BlobTooLarge
from domain.ports import BlobStat

PIECE_BYTES = 1024 * 1024


class InMemoryBlobStore:
    def __init__(self) -> None:
        self._contents: dict[tuple[str, str], bytes] = {}

    async def put(self, tenant: str, chunks: AsyncIterator[bytes], *, limit_bytes: int) -> BlobStat:
        content = bytearray()
        async for chunk in chunks:
            content += chunk
            if len(content) > limit_bytes:
                raise BlobTooLarge(limit_bytes)
        digest = _digest(bytes(content))
        self._contents[tenant, digest] = bytes(content)
        return BlobStat(digest=digest, size=len(content))

    async def stat(self, tenant: str, digest: str) -> BlobStat | None:
        content = self._contents.get((tenant, digest))
        return None if content is None else BlobStat(digest=digest, size=len(content))

    async def read(self, tenant: str, digest: str) -> AsyncIterator[bytes]:
        content = self._contents.get((tenant, digest))
        if content is None:
            raise BlobMissing(digest)
        if _digest(content) != digest:
            raise BlobDamaged(digest)
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]

    def damage(self, tenant: str, digest: str) -> None:
        """Flip a bit, as a bad disk would."""
        content = self._contents[tenant, digest]
        self._contents[tenant, digest] = bytes([content[0] ^ 1]) + content[1:]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
