"""Bytes by their digest."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec


class BlobStat(msgspec.Struct, frozen=True, kw_only=True):
    digest: str
    size: int


class BlobStore(Protocol):
    """Bytes by their SHA-256 (`sha256:<hex>`), per tenant. Raises BlobMissing, BlobDamaged."""

    async def put(self, tenant: str, chunks: AsyncIterator[bytes], *, limit_bytes: int) -> BlobStat:
        """Durable and visible whole, or not at all. Raises BlobTooLarge."""
        ...

    async def stat(self, tenant: str, digest: str) -> BlobStat | None: ...

    def read(self, tenant: str, digest: str) -> AsyncIterator[bytes]:
        """The content in pieces; damage is raised at the latest after the last piece."""
        ...
