"""Logs in memory, for tests and for a trial without a database."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.errors import ConcurrencyConflict, LogClosed
from domain.ports import LogChunk


@dataclass
class _Log:
    chunks: list[LogChunk] = field(default_factory=list[LogChunk])
    offset: int = 0
    closed: bool = False


class InMemoryLogStore:
    def __init__(self) -> None:
        self._logs: dict[tuple[str, str], _Log] = {}

    async def append(self, tenant: str, subject: str, chunks: Sequence[LogChunk]) -> None:
        log = self._logs.setdefault((tenant, subject), _Log())
        fresh = [chunk for chunk in chunks if chunk.sequence >= len(log.chunks)]
        _check(subject, log, fresh)
        for chunk in fresh:
            log.chunks.append(chunk)
            log.offset += len(chunk.data)

    async def close(self, tenant: str, subject: str) -> None:
        self._logs.setdefault((tenant, subject), _Log()).closed = True

    async def end(self, tenant: str, subject: str) -> tuple[int, int, bool]:
        log = self._logs.get((tenant, subject), _Log())
        return len(log.chunks), log.offset, log.closed

    async def read(
        self, tenant: str, subject: str, *, from_offset: int = 0, limit_bytes: int = 1_048_576
    ) -> Sequence[LogChunk]:
        found: list[LogChunk] = []
        size = 0
        for chunk in self._logs.get((tenant, subject), _Log()).chunks:
            if chunk.offset + len(chunk.data) <= from_offset:
                continue
            size += len(chunk.data)
            if found and size > limit_bytes:
                break
            found.append(chunk)
        return found

    async def erase(self, tenant: str, subject: str) -> None:
        self._logs.pop((tenant, subject), None)


def _check(subject: str, log: _Log, fresh: Sequence[LogChunk]) -> None:
    if fresh and log.closed:
        raise LogClosed(subject)
    sequence, offset = len(log.chunks), log.offset
    for chunk in fresh:
        if (chunk.sequence, chunk.offset) != (sequence, offset):
            raise ConcurrencyConflict(subject, chunk.sequence, sequence)
        if not chunk.data:
            raise ValueError("A chunk of a log has at least one byte")
        sequence, offset = sequence + 1, offset + len(chunk.data)
