"""Images by BuildKit: each step with its times, cache hits and log. It ignores all limits, so
only files of our own are for it; untrusted ones go to the classic builder.

It cuts a step's log above 200 KiB/s for good, unless the engine is told otherwise.
"""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import datetime

import msgspec

from adapters.docker.classic_build import build_query
from adapters.docker.errors import refused
from adapters.docker.events import lines_of
from adapters.docker.protobuf import Value, fields, octets, text, timestamp
from adapters.docker.streams import StreamClient, StreamRequest, reply_of
from domain.errors import EngineOutcomeUnknown
from domain.ports import BuildOutput, ImageBuildRequest, LogStreamName

TRACE = "moby.buildkit.trace"
IMAGE = "moby.image.id"
_STDERR = 2


class BuildStep(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a step now; later ones of the same digest replace it."""

    digest: str
    name: str = ""
    cached: bool = False
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str = ""


class BuildStepLog(msgspec.Struct, frozen=True, kw_only=True):
    digest: str
    stream: LogStreamName = "stdout"
    data: bytes = b""


class _Line(msgspec.Struct):
    id: str = ""
    aux: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


class _Image(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="ID")


Progress = BuildStep | BuildStepLog | BuildOutput


async def build_with_buildkit(
    streams: StreamClient, request: ImageBuildRequest, context: AsyncIterator[bytes]
) -> AsyncGenerator[Progress]:
    """Ends with a BuildOutput: the image or an error. Closing it cancels the build."""
    query = {**build_query(request), "version": "2"}
    opening = StreamRequest(method="POST", path="/build", query=query)
    image_id: str | None = None
    async with streams.open(opening, body=context) as response:
        if not response.ok:
            raise refused(await reply_of(response))
        async for raw in lines_of(response.content.iter_any()):
            line = msgspec.json.decode(raw, type=_Line)
            if line.error:
                yield BuildOutput(stream="stderr", error=line.error)
                return
            if line.id == IMAGE:
                image_id = msgspec.json.decode(line.aux, type=_Image).id
            elif line.id == TRACE:
                trace = base64.b64decode(msgspec.json.decode(line.aux, type=str))
                for progress in read_status(trace):
                    yield progress
    if image_id is None:
        raise EngineOutcomeUnknown("The engine ended the build without a result")
    yield BuildOutput(image_id=image_id)


def read_status(message: bytes) -> Iterator[BuildStep | BuildStepLog]:
    """moby.buildkit.v1.StatusResponse: vertexes are field 1, logs are field 3."""
    for number, value in fields(message):
        if number == 1:
            yield _step(octets(value))
        elif number == 3:  # noqa: PLR2004
            yield _log(octets(value))


def _step(message: bytes) -> BuildStep:
    found: dict[int, Value] = dict(fields(message))
    return BuildStep(
        digest=text(found.get(1, b"")),
        name=text(found.get(3, b"")),
        cached=bool(found.get(4, 0)),
        started_at=timestamp(found.get(5)),
        completed_at=timestamp(found.get(6)),
        error=text(found.get(7, b"")),
    )


def _log(message: bytes) -> BuildStepLog:
    found: dict[int, Value] = dict(fields(message))
    return BuildStepLog(
        digest=text(found.get(1, b"")),
        stream="stderr" if found.get(3) == _STDERR else "stdout",
        data=octets(found.get(4, b"")),
    )
