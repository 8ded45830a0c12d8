"""Bytes by their digest, and which of them the log speaks of."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Protocol

import msgspec


class BlobStat(msgspec.Struct, frozen=True, kw_only=True):
    digest: str
    size: int


class BlobStore(Protocol):
    """Bytes by their SHA-256 (`sha256:<hex>`), per tenant. Raises BlobMissing, BlobDamaged.

    Each blob is as old as the last `put` or `touch` of it.
    """

    async def put(self, tenant: str, chunks: AsyncIterator[bytes], *, limit_bytes: int) -> BlobStat:
        """Durable and visible whole, or not at all. Raises BlobTooLarge."""
        ...

    async def stat(self, tenant: str, digest: str) -> BlobStat | None: ...

    async def touch(self, tenant: str, digest: str) -> BlobStat | None:
        """As `stat`, for whoever is about to name it in an event: from now on it is young."""
        ...

    def read(self, tenant: str, digest: str) -> AsyncIterator[bytes]:
        """The content in pieces; damage is raised at the latest after the last piece."""
        ...

    async def belong_to(self, installation: str) -> bool:
        """Whether they are this one's: they belong to the first that asks."""
        ...

    async def tenants(self) -> Sequence[str]:
        """That may have blobs."""
        ...

    def list_old(self, tenant: str, before: datetime) -> AsyncGenerator[Sequence[str], None]:
        """Digests of what is older, a part at a time."""
        ...

    async def remove_old(
        self, tenant: str, digests: Collection[str], before: datetime
    ) -> Sequence[BlobStat]:
        """Those that were still older and are gone now; what was touched meanwhile stays."""
        ...


class BlobReferences(Protocol):
    """Digests that events mention, read from the log up to a position. Raises StoreUnavailable."""

    async def position(self) -> int: ...

    async def add(self, digests: Collection[str], *, after: int, position: int) -> bool:
        """Digests and position in one transaction; False if the position was not `after`."""
        ...

    async def mentioned(self, digests: Collection[str]) -> AbstractSet[str]:
        """Those of them that an event mentions."""
        ...
