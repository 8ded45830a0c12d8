"""What containers and build steps print."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

LogStreamName = Literal["stdout", "stderr"]


class LogChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of one log. sequence from 0 without gaps; offset in bytes over both streams."""

    sequence: int
    stream: LogStreamName
    offset: int
    data: bytes


class LogEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How far a log has come. closed: nothing will follow.

    complete_until: all that was written before is here, by the clock of who runs the writer.
    """

    next_sequence: int = 0
    next_offset: int = 0
    closed: bool = False
    complete_until: datetime | None = None


class LogFrame(msgspec.Struct, frozen=True, kw_only=True):
    stream: LogStreamName
    data: bytes


class LogStore(Protocol):
    """Logs of containers and build steps by subject (`build-<id>/1/rpmbuild/1`)."""

    async def append(self, tenant: str, subject: str, chunks: Sequence[LogChunk]) -> None:
        """Idempotent by sequence."""
        ...

    async def close(self, tenant: str, subject: str) -> None:
        """Nothing will follow: readers that wait are told."""
        ...

    async def mark_complete(self, tenant: str, subject: str, *, until: datetime) -> None:
        """What was written before is all here, whatever may follow: readers that wait are told."""
        ...

    async def end(self, tenant: str, subject: str) -> LogEnd:
        """At the beginning, for an unknown subject."""
        ...

    async def read(
        self, tenant: str, subject: str, *, from_offset: int = 0, limit_bytes: int = 1_048_576
    ) -> Sequence[LogChunk]:
        """Chunks that end after from_offset, oldest first, at least one where there is any."""
        ...


class LogWakeUps(Protocol):
    """Tells readers of a log that more is there. May be lost: readers also poll."""

    async def notify(self, tenant: str, subject: str) -> None: ...

    async def wait(self, tenant: str, subject: str, *, timeout_seconds: float) -> None:
        """Return when something may have come, or at the timeout."""
        ...
