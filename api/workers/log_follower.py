"""Keeps one log: from where it is written into the log store, as it is written.

A container's engine gives the same bytes in the same order each time, so a follower that starts
again skips what is stored already. Beyond its limit a log is not read any more.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import datetime

import msgspec

from api.workers.log_summary import LogSummary
from api.workers.loops import backoff
from domain.builds.events import StepLog
from domain.errors import DomainError, LogIncomplete, StoreUnavailable
from domain.ports import LogChunk, LogEnd, LogFrame, LogStore, LogStreamName

CHUNK_BYTES = 1024 * 1024
FLUSH_SECONDS = 0.1
QUEUED_FRAMES = 16  # of at most what one read of the engine's answer brings
MAX_CHUNKS_AT_ONCE = 256
APPEND_SECONDS = 30.0
LAST_WRITE_SECONDS = 1.0


class LogLimits(msgspec.Struct, frozen=True, kw_only=True):
    """max_bytes: of one log; what is written beyond is not kept, and a last line says so."""

    max_bytes: int


class LogFollower:
    """Follows one log to its end.

    last_output: for idle timeouts (loop time). reached_limit: more was written than is kept.
    has_end: nothing that was written is missing but what is beyond the limit.
    """

    def __init__(
        self,
        *,
        logs: LogStore,
        tenant: str,
        subject: str,
        limits: LogLimits,
    ) -> None:
        self._logs = logs
        self._tenant = tenant
        self._subject = subject
        self._limits = limits
        self._summary = LogSummary()
        self.reached_limit = self.has_end = False
        self.last_output = asyncio.get_running_loop().time()

    async def follow(self, frames: AsyncGenerator[LogFrame], *, close: bool = True) -> StepLog:
        """What was written, once the frames or the limit have ended it. May be called again after
        an error.

        close: nothing will follow, so tell those who wait for more. At the limit nothing ever does.
        """
        known = await self._logs.end(self._tenant, self._subject)
        self._summary, self.reached_limit, self.has_end = LogSummary(), False, False
        writer = ChunkWriter(self._append, sequence=known.next_sequence, offset=known.next_offset)
        skip_until = sys.maxsize if known.closed else known.next_offset  # it takes no more
        try:
            async with aclosing(_batched(frames)) as batches:
                async for frame in batches:
                    if frame is None:
                        await writer.flush()
                        continue
                    self.last_output = asyncio.get_running_loop().time()
                    kept = self._within_limit(frame)
                    self._summary.add(kept)
                    await writer.add(kept, skip_until=skip_until, end=self._summary.size)
                    if self.reached_limit:
                        break
        except LogIncomplete:
            self._summary.truncated = True
        except BaseException:  # cancelled, too: of an image build nobody says again what it wrote
            with suppress(DomainError, TimeoutError):
                async with asyncio.timeout(LAST_WRITE_SECONDS):
                    await writer.flush()
            raise
        else:
            self.has_end = True
        await writer.flush()
        if (close or self.reached_limit) and not known.closed:
            await self._logs.close(self._tenant, self._subject)
        return self._summary.result(chunks=writer.sequence)

    async def until_idle(self, seconds: float) -> None:
        """Returns once nothing has been written for so long."""
        loop = asyncio.get_running_loop()
        while (left := self.last_output + seconds - loop.time()) > 0:  # noqa: ASYNC110 - no polling
            await asyncio.sleep(left)

    async def close(self) -> None:
        """For a log that was followed without closing it: now nothing will follow.

        A last line says so if its end may be missing. Not before: a log that is read again skips
        as many bytes as are stored.
        """
        end = await self._logs.end(self._tenant, self._subject)
        if not self.has_end and not end.closed:
            await self._append([_note_of_missing_end(end)])
        await self._logs.close(self._tenant, self._subject)

    async def mark_complete(self, until: datetime) -> None:
        """For a log that was followed without closing it: a run ended then, and is kept."""
        await self._logs.mark_complete(self._tenant, self._subject, until=until)

    def _within_limit(self, frame: LogFrame) -> LogFrame:
        """Of a frame that goes beyond, what has room, and a line that says so."""
        limit = self._limits.max_bytes
        room = limit - self._summary.size
        if len(frame.data) <= room:
            return frame
        self._summary.truncated = self.reached_limit = True
        note = f"\n[Only the first {limit} bytes of this log are kept.]\n"
        return LogFrame(stream=frame.stream, data=frame.data[:room] + note.encode())

    async def _append(self, chunks: Sequence[LogChunk]) -> None:
        """Tried for a while: an engine says what an image build writes only once."""
        loop = asyncio.get_running_loop()
        give_up_at, failures = loop.time() + APPEND_SECONDS, 0
        while True:
            try:
                await self._logs.append(self._tenant, self._subject, chunks)
            except StoreUnavailable:
                if loop.time() >= give_up_at:
                    raise
                failures += 1
                await asyncio.sleep(backoff(failures))
            else:
                return


def _note_of_missing_end(end: LogEnd) -> LogChunk:
    return LogChunk(
        sequence=end.next_sequence,
        stream="stderr",
        offset=end.next_offset,
        data=b"\n[The end of this log may be missing.]\n",
    )


async def _batched(frames: AsyncGenerator[LogFrame]) -> AsyncGenerator[LogFrame | None]:
    """The frames, and None whenever it is time to write out what there is."""
    queue: asyncio.Queue[LogFrame | BaseException | None] = asyncio.Queue(QUEUED_FRAMES)
    reader = asyncio.create_task(_pump(frames, queue))
    loop = asyncio.get_running_loop()
    write_at: float | None = None
    try:
        while True:
            try:
                async with asyncio.timeout_at(write_at):
                    item = await queue.get()
            except TimeoutError:
                write_at = None
                yield None
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
            if write_at is None:
                write_at = loop.time() + FLUSH_SECONDS
            elif loop.time() >= write_at:  # frames that are there already let no timeout come
                write_at = None
                yield None
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _pump(
    frames: AsyncGenerator[LogFrame], queue: asyncio.Queue[LogFrame | BaseException | None]
) -> None:
    try:
        async with aclosing(frames):
            async for frame in frames:
                await queue.put(frame)
    except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
        await queue.put(error)
    else:
        await queue.put(None)


class ChunkWriter:
    """Gathers bytes into chunks of one stream each, and hands on many at a time."""

    def __init__(
        self, append: Callable[[Sequence[LogChunk]], Awaitable[None]], *, sequence: int, offset: int
    ) -> None:
        self._append = append
        self._chunks: list[LogChunk] = []
        self._parts: list[bytes] = []
        self._part_size = 0
        self._gathered = 0
        self._stream: LogStreamName = "stdout"
        self._offset = offset
        self.sequence = sequence

    async def add(self, frame: LogFrame, *, skip_until: int, end: int) -> None:
        """end: offset behind this frame; what lies before skip_until is stored already."""
        data = frame.data
        begin = end - len(data)
        if begin < skip_until:
            data = data[skip_until - begin :]
        if not data:
            return
        if frame.stream != self._stream or self._part_size >= CHUNK_BYTES:
            self._cut()
            self._stream = frame.stream
        self._parts.append(data)
        self._part_size += len(data)
        self._gathered += len(data)
        if self._gathered >= CHUNK_BYTES or len(self._chunks) >= MAX_CHUNKS_AT_ONCE:
            await self.flush()

    async def flush(self) -> None:
        self._cut()
        chunks, self._chunks, self._gathered = self._chunks, [], 0
        if chunks:
            await self._append(chunks)

    def _cut(self) -> None:
        data = b"".join(self._parts)
        self._parts, self._part_size = [], 0
        for begin in range(0, len(data), CHUNK_BYTES):
            piece = data[begin : begin + CHUNK_BYTES]
            self._chunks.append(
                LogChunk(
                    sequence=self.sequence, stream=self._stream, offset=self._offset, data=piece
                )
            )
            self.sequence += 1
            self._offset += len(piece)


FollowerFactory = Callable[[str, str], LogFollower]
"""By tenant and subject."""
