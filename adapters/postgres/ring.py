"""The newest events of the log, so that many readers cost the database one."""

from collections.abc import Sequence

from domain.event import RecordedEvent


class Ring:
    """Events without gaps up to `last`; the oldest go when there are too many or too much."""

    def __init__(self, last: int, *, capacity: int, capacity_bytes: int) -> None:
        self._events: list[RecordedEvent] = []
        self._bytes = 0
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self.last = last

    def extend(self, events: Sequence[RecordedEvent]) -> None:
        """events: those that follow `last`."""
        self._events.extend(events)
        self._bytes += sum(len(event.data) for event in events)
        self.last = events[-1].position if events else self.last
        # Twice the capacity, so that the list is moved rarely.
        if len(self._events) > 2 * self._capacity:
            self._drop(len(self._events) - self._capacity)
        while self._bytes > self._capacity_bytes:
            self._drop((len(self._events) + 1) // 2)

    def read(self, after: int, limit: int) -> Sequence[RecordedEvent] | None:
        """None when that is longer ago than this ring remembers."""
        index = after - (self.last - len(self._events))
        return self._events[index : index + limit] if index >= 0 else None

    def _drop(self, count: int) -> None:
        self._bytes -= sum(len(event.data) for event in self._events[:count])
        del self._events[:count]
