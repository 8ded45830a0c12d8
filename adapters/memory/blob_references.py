"""Which blobs the log speaks of, in memory, for tests."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet


class InMemoryBlobReferences:
    """Implements `domain.ports.BlobReferences`."""

    def __init__(self) -> None:
        self._position = 0
        self._digests: set[str] = set()

    async def position(self) -> int:
        return self._position

    async def add(self, digests: Collection[str], *, after: int, position: int) -> bool:
        if self._position != after:
            return False
        self._digests |= set(digests)
        self._position = position
        return True

    async def mentioned(self, digests: Collection[str]) -> AbstractSet[str]:
        return self._digests & set(digests)
