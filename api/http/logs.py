"""Logs as they are written or were stored: text, or frames of NDJSON; resumed by byte offset.

Offsets count the bytes of both streams over all parts of a log, so one number resumes anywhere.
"""

import asyncio
import codecs
import math
import sys
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from api.http.app_keys import STOPPING
from api.http.call import Call
from api.http.decoding import Nothing
from api.http.log_sources import BuildLog, ContainerLog, LogSource, Part
from api.http.queries import Position
from api.http.streaming import Interrupted, Stream, streaming
from domain.builds.events import Step
from domain.errors import BlobMissing
from domain.ports import LogChunk, LogEnd, LogStreamName

READ_BYTES = 262_144
WAIT_SECONDS = 1.0
IDLE_FRAME_SECONDS = 15.0
CLOSING_SECONDS = 10.0  # of a log that nobody keeps: its engine or our worker is away
NDJSON = "application/x-ndjson"
NEXT_OFFSET = "X-Log-Next-Offset"


class ContainerLogQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """stream: None takes both. follow: until the container or the attempt ends."""

    stream: LogStreamName | None = None
    offset: Position = 0
    follow: bool = False


class BuildLogQuery(ContainerLogQuery, frozen=True, kw_only=True):
    """attempt: None takes the last. step: None takes all."""

    attempt: Annotated[int, Meta(ge=1)] | None = None
    step: Step | None = None


class LogFrameView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """offset: resume there, in the same attempt, to get what comes after this frame.

    Without text: still alive. The first one says of which attempt all are. end: nothing will
    follow.
    """

    offset: int
    stream: Literal["stdout", "stderr", ""] = ""
    text: str = ""
    attempt: int = 0
    step: str = ""
    round: int = 0
    end: bool = False


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Some bytes of a part, or a sign of life. offset: after it."""

    offset: int
    part: Part | None = None
    chunk: LogChunk | None = None


async def get_build_log(call: Call[BuildLogQuery, Nothing]) -> web.StreamResponse:
    query = call.query
    source = BuildLog(call.parts, call.tenant, call.path("build_id"), query.attempt, query.step)
    return await _respond(call, source)


async def get_container_log(call: Call[ContainerLogQuery, Nothing]) -> web.StreamResponse:
    return await _respond(call, ContainerLog(call.parts, call.tenant, call.path("container_id")))


async def _respond(
    call: Call[BuildLogQuery, Nothing] | Call[ContainerLogQuery, Nothing], source: LogSource
) -> web.StreamResponse:
    await source.refresh()
    framed = NDJSON in call.request.headers.get("Accept", "")
    response = web.StreamResponse()
    response.content_type = NDJSON if framed else "text/plain"
    response.charset = "utf-8"
    reader = LogReader(call, source)
    if not call.query.follow:
        response.headers[NEXT_OFFSET] = str(max(call.query.offset, await reader.snapshot()))
    async with streaming(call, response) as stream:
        if call.request.method != "HEAD":
            await (_send_frames if framed else _send_text)(stream, reader, call.query.stream)
    return response


async def _send_text(stream: Stream, reader: "LogReader", wanted: LogStreamName | None) -> None:
    async for piece in reader.pieces():
        if piece.chunk is not None and wanted in {None, piece.chunk.stream}:
            await stream.write(piece.chunk.data)


async def _send_frames(stream: Stream, reader: "LogReader", wanted: LogStreamName | None) -> None:
    encoder = FrameEncoder(reader.attempt)
    await stream.write(encoder.encode(Piece(offset=reader.offset)))
    async for piece in reader.pieces():
        if piece.chunk is not None and wanted not in {None, piece.chunk.stream}:
            piece = Piece(offset=piece.offset)  # noqa: PLW2901 - that all is well, and how far
        await stream.write(encoder.encode(piece))
    await stream.write(encoder.end(reader.offset))


class FrameEncoder:
    """A character that is cut in two by a chunk comes whole with the next one."""

    def __init__(self, attempt: int) -> None:
        self._attempt = attempt
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: decoder(errors="replace") for name in ("stdout", "stderr")}

    def encode(self, piece: Piece) -> bytes:
        if piece.part is None or piece.chunk is None:
            return _line(LogFrameView(offset=piece.offset, attempt=self._attempt))
        frame = LogFrameView(
            offset=piece.offset,
            stream=piece.chunk.stream,
            text=self._decoders[piece.chunk.stream].decode(piece.chunk.data),
            attempt=self._attempt,
            step=piece.part.step,
            round=piece.part.round,
        )
        return _line(frame)

    def end(self, offset: int) -> bytes:
        return _line(LogFrameView(offset=offset, attempt=self._attempt, end=True))


def _line(frame: LogFrameView) -> bytes:
    return msgspec.json.encode(frame) + b"\n"


class LogReader:
    """Reads a log from an offset on, part by part; when following, until it has ended."""

    def __init__(self, call: Call[Any, Any], source: LogSource) -> None:
        self._call = call
        self._parts = call.parts
        self._source = source
        self._until = sys.maxsize
        self._follow = call.query.follow
        self.offset: int = call.query.offset

    @property
    def attempt(self) -> int:
        return self._source.attempt

    async def snapshot(self) -> int:
        """Fix the end to what is there now."""
        ends = [await self._end(part) for part in self._source.parts]
        self._until = sum(end.next_offset for end in ends)
        return self._until

    async def pieces(self) -> AsyncIterator[Piece]:
        base = index = 0
        while True:
            while index < len(self._source.parts):
                async for piece in self._part(index, base):
                    yield piece
                base += (await self._end(self._source.parts[index])).next_offset
                index += 1
            if not self._follow or self._source.ended or not self._source.grows:
                return
            await self._pause(None)
            await self._source.refresh()
            yield Piece(offset=self.offset)

    async def _part(self, index: int, base: int) -> AsyncIterator[Piece]:
        """From our offset on; to its end when following, else to the snapshot."""
        clock = asyncio.get_running_loop().time
        spoke_at, ended_at, lacked = clock(), math.inf, False
        while True:
            part, begun_at = self._source.parts[index], self.offset
            async for piece in self._stored(part, base):
                spoke_at, ended_at = clock(), math.inf
                yield piece
            end = await self._end(part)
            lacks = self.offset < min(base + end.next_offset, self._until)
            if lacks and self.offset > begun_at:
                continue  # it came while we sent
            if lacks and lacked:
                raise BlobMissing(part.subject)
            lacked = lacks
            all_came = _is_whole(part, end) or clock() - ended_at > CLOSING_SECONDS
            if not lacks and (all_came or not self._follow):
                return
            await self._pause(part)
            await self._source.refresh()
            if self._source.ended:
                ended_at = min(ended_at, clock())
            if clock() - spoke_at > IDLE_FRAME_SECONDS:
                spoke_at = clock()
                yield Piece(offset=self.offset)

    async def _stored(self, part: Part, base: int) -> AsyncIterator[Piece]:
        while self.offset < self._until:
            chunks = await self._parts.logs.read(
                self._call.tenant,
                part.subject,
                from_offset=max(0, self.offset - base),
                limit_bytes=READ_BYTES,
            )
            if not chunks:
                return
            for chunk in chunks:
                fresh = self._unread(chunk, base)
                if fresh is not None:
                    self.offset += len(fresh.data)
                    yield Piece(offset=self.offset, part=part, chunk=fresh)

    def _unread(self, chunk: LogChunk, base: int) -> LogChunk | None:
        start = self.offset - base - chunk.offset
        end = self._until - base - chunk.offset
        data = chunk.data[max(0, start) : max(0, end)]
        return msgspec.structs.replace(chunk, data=data) if data else None

    async def _end(self, part: Part) -> LogEnd:
        return await self._parts.logs.end(self._call.tenant, part.subject)

    async def _pause(self, part: Part | None) -> None:
        """Until there may be more; never long, and only for who may still read."""
        request = self._call.request
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError
        if request.app[STOPPING].is_set():
            raise Interrupted
        await self._call.recheck()
        if part is None:
            tail = self._parts.tail
            await tail.wait(tail.position, WAIT_SECONDS)
        else:
            await self._parts.log_wake_ups.wait(
                self._call.tenant, part.subject, timeout_seconds=WAIT_SECONDS
            )


def _is_whole(part: Part, end: LogEnd) -> bool:
    """Nothing will follow, or at least nothing of what has ended."""
    if end.closed or (part.size is not None and end.next_offset >= part.size):
        return True
    if part.ended_at is None or end.complete_until is None:
        return False
    return end.complete_until >= part.ended_at
