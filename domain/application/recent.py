"""What was used last, bounded in number and in weight."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Forgets what was unused for longest. weight: the bytes that a value takes, roughly."""

    def __init__(self, *, most: int, most_weight: int) -> None:
        self._most = most
        self._most_weight = most_weight
        self._weight = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        found = self._kept.get(key)
        return None if found is None else found[0]

    def put(self, key: Key, value: Value, *, weight: int) -> None:
        """It counts as used now. A value that is too heavy by itself is not kept."""
        self.forget(key)
        if weight > self._most_weight:
            return
        self._kept[key] = (value, weight)
        self._weight += weight
        while len(self._kept) > self._most or self._weight > self._most_weight:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._weight -= dropped

    def forget(self, key: Key) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._weight -= found[1]
