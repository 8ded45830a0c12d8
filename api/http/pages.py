"""Pages that end where there are enough items, or enough bytes of them."""

from typing import Generic, TypeVar

PAGE_BYTES = 4 * 1024 * 1024

Item = TypeVar("Item")


class Items(Generic[Item]):
    """Of one page; at least one, however large it is."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._items: list[Item] = []

    def add(self, item: Item, size: int) -> None:
        """size: of what makes it large, in bytes as they will be sent."""
        self._items.append(item)
        self._bytes += size

    def are_enough(self) -> bool:
        return len(self._items) >= self._limit or self._bytes >= PAGE_BYTES

    def all(self) -> tuple[Item, ...]:
        return tuple(self._items)
