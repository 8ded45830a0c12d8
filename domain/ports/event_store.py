"""The log."""

from collections.abc import Sequence
from typing import Protocol

from domain.event import Append, LogHead, Receipt, RecordedEvent


class EventStore(Protocol):
    """The log. Raises StoreUnavailable, StoreOverloaded."""

    async def append(self, append: Append) -> Receipt:
        """Record one command's events, or return the receipt of its first delivery.

        Durable when it returns. Raises ConcurrencyConflict, CommandIdReused.
        """
        ...

    async def find_receipt(self, tenant: str, command_id: str) -> Receipt | None: ...

    async def read_stream(
        self, tenant: str, stream: str, *, after_version: int = 0, limit: int = 1_000
    ) -> Sequence[RecordedEvent]:
        """In order of version."""
        ...

    async def read_log(
        self, after: int, *, limit: int = 1_000, tenant: str | None = None
    ) -> Sequence[RecordedEvent]:
        """Events with position > after, in order; of one tenant or (for our own readers) of all."""
        ...

    async def head(self) -> LogHead: ...
