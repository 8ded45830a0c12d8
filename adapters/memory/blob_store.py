"""Blobs in memory, for tests: the same promises as the directory's, except surviving."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta

from domain.errors import BlobDamaged, BlobMissing, BlobTooLarge
from domain.ports import BlobStat

PIECE_BYTES = 1024 * 1024


class InMemoryBlobStore:
    """Implements `domain.ports.BlobStore`."""

    def __init__(self) -> None:
        self._contents: dict[tuple[str, str], bytes] = {}
        self._touched: dict[tuple[str, str], datetime] = {}
        self._owner: str | None = None

    async def put(self, tenant: str, chunks: AsyncIterator[bytes], *, limit_bytes: int) -> BlobStat:
        content = bytearray()
        async for chunk in chunks:
            content += chunk
            if len(content) > limit_bytes:
                raise BlobTooLarge(limit_bytes)
        digest = _digest(bytes(content))
        self._contents[tenant, digest] = bytes(content)
        self._touched[tenant, digest] = datetime.now(UTC)
        return BlobStat(digest=digest, size=len(content))

    async def stat(self, tenant: str, digest: str) -> BlobStat | None:
        content = self._contents.get((tenant, digest))
        return None if content is None else BlobStat(digest=digest, size=len(content))

    async def touch(self, tenant: str, digest: str) -> BlobStat | None:
        if (tenant, digest) in self._touched:
            self._touched[tenant, digest] = datetime.now(UTC)
        return await self.stat(tenant, digest)

    async def read(self, tenant: str, digest: str) -> AsyncIterator[bytes]:
        content = self._contents.get((tenant, digest))
        if content is None:
            raise BlobMissing(digest)
        if _digest(content) != digest:
            raise BlobDamaged(digest)
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]

    async def belong_to(self, installation: str) -> bool:
        self._owner = self._owner or installation
        return self._owner == installation

    async def tenants(self) -> Sequence[str]:
        return sorted({tenant for tenant, _ in self._contents})

    async def list_old(self, tenant: str, before: datetime) -> AsyncGenerator[Sequence[str], None]:
        old = (place for place, touched in list(self._touched.items()) if touched < before)
        for name, digest in old:
            if name == tenant:
                yield [digest]

    async def remove_old(
        self, tenant: str, digests: Collection[str], before: datetime
    ) -> Sequence[BlobStat]:
        places = ((tenant, digest) for digest in digests)
        old = [each for each in places if each in self._touched and self._touched[each] < before]
        for place in old:
            del self._touched[place]
        return [BlobStat(digest=place[1], size=len(self._contents.pop(place))) for place in old]

    def damage(self, tenant: str, digest: str) -> None:
        """Flip a bit, as a bad disk would."""
        content = self._contents[tenant, digest]
        self._contents[tenant, digest] = bytes([content[0] ^ 1]) + content[1:]

    def age(self, tenant: str, digest: str, seconds: float) -> None:
        """As if it had been touched so long ago."""
        self._touched[tenant, digest] = datetime.now(UTC) - timedelta(seconds=seconds)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
