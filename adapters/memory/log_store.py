"""Logs in memory, for tests: the same promises as the stored ones, except surviving."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adapters.log_chunks import check_batch, cut, end_of
from domain.errors import ConcurrencyConflict, LogClosed
from domain.ports import LogChunk, LogEnd


@dataclass
class _Log:
    chunks: list[LogChunk] = field(default_factory=list[LogChunk])
    closed: bool = False
    complete_until: datetime | None = None
    lost: bool = False

    @property
    def end(self) -> int:
        return end_of(self.chunks[-1]) if self.chunks else 0


class InMemoryLogStore:
    def __init__(self) -> None:
        self._logs: dict[tuple[str, str], _Log] = {}

    async def append(self, tenant: str, subject: str, chunks: Sequence[LogChunk]) -> None:
        check_batch(chunks)
        log = self._logs.get((tenant, subject), _Log())
        known = len(log.chunks)
        fresh = [chunk for chunk in chunks if chunk.sequence >= known]
        if not fresh and log.chunks[chunks[-1].sequence] == chunks[-1]:
            return
        if not fresh:
            raise ConcurrencyConflict(subject, chunks[0].sequence, known)
        if log.closed:
            raise LogClosed(subject)
        if (fresh[0].sequence, fresh[0].offset) != (known, log.end):
            raise ConcurrencyConflict(subject, fresh[0].sequence, known)
        log.chunks.extend(fresh)
        self._logs[tenant, subject] = log

    async def close(self, tenant: str, subject: str) -> None:
        self._logs.setdefault((tenant, subject), _Log()).closed = True

    async def mark_complete(self, tenant: str, subject: str, *, until: datetime) -> None:
        log = self._logs.setdefault((tenant, subject), _Log())
        log.complete_until = max(log.complete_until or until, until)

    async def end(self, tenant: str, subject: str) -> LogEnd:
        log = self._logs.get((tenant, subject), _Log())
        return LogEnd(
            next_sequence=len(log.chunks),
            next_offset=log.end,
            closed=log.closed,
            complete_until=log.complete_until,
        )

    async def read(
        self, tenant: str, subject: str, *, from_offset: int = 0, limit_bytes: int = 1_048_576
    ) -> Sequence[LogChunk]:
        log = self._logs.get((tenant, subject), _Log())
        chunks = () if log.lost else log.chunks
        return cut([chunk for chunk in chunks if end_of(chunk) > from_offset], limit_bytes)

    def lose(self, tenant: str, subject: str) -> None:
        """The content, but not that it was there: as a bad disk would."""
        self._logs[tenant, subject].lost = True

    async def erase(self, tenant: str, subject: str) -> None:
        """Everything of it, as if it had never been."""
        self._logs.pop((tenant, subject), None)
