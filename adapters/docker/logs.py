"""A container's output: the engine's 8-byte frames taken apart, a large piece at a time."""

from collections.abc import AsyncGenerator, Iterator
from struct import Struct

from adapters.docker.containers import Containers, container_path
from adapters.docker.streams import StreamClient, StreamRequest, reply_of
from domain.errors import EngineOutcomeUnknown
from domain.ports import LogFrame, LogStreamName

_HEADER = Struct(">BxxxL")
_STDERR = 2


async def read_logs(
    streams: StreamClient, containers: Containers, name: str, *, follow: bool
) -> AsyncGenerator[LogFrame]:
    request = StreamRequest(
        path=container_path(name, "/logs"),
        query={"stdout": "1", "stderr": "1", "follow": str(int(follow))},
    )
    async with streams.open(request) as response:
        if not response.ok:
            raise await containers.refusal(name, await reply_of(response))
        demultiplexer = Demultiplexer()
        async for piece in response.content.iter_any():
            for frame in demultiplexer.feed(piece):
                yield frame
        demultiplexer.end()


class Demultiplexer:
    """Neighbouring frames of one stream leave as one: a line of output is often a frame."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[LogFrame]:
        buffer = self._rest + piece if self._rest else piece
        position, end = 0, len(buffer)
        kind, payloads = 0, list[bytes]()
        while position + _HEADER.size <= end:
            frame_kind, size = _HEADER.unpack_from(buffer, position)
            after = position + _HEADER.size + size
            if after > end:
                break
            if frame_kind != kind and payloads:
                yield LogFrame(stream=_stream(kind), data=b"".join(payloads))
                payloads = []
            kind = frame_kind
            payloads.append(buffer[position + _HEADER.size : after])
            position = after
        if payloads:
            yield LogFrame(stream=_stream(kind), data=b"".join(payloads))
        self._rest = buffer[position:]

    def end(self) -> None:
        if self._rest:
            raise EngineOutcomeUnknown("The log broke off in the middle of a frame. Read it again.")


def _stream(kind: int) -> LogStreamName:
    return "stderr" if kind == _STDERR else "stdout"
