"""Images from a Dockerfile by the classic builder: the one that honours limits of memory and CPU.

The engine does not apply a .dockerignore to a context that comes by its API: the client must.
"""

from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from adapters.docker import wire
from adapters.docker.build_pids import bounded_pids
from adapters.docker.control import ControlClient
from adapters.docker.errors import refused
from adapters.docker.events import lines_of
from adapters.docker.streams import StreamClient, StreamRequest, reply_of
from domain.containers.spec import Limits
from domain.errors import EngineOutcomeUnknown
from domain.ports import BuildOutput, ImageBuildRequest

CPU_PERIOD_MICROSECONDS = 100_000
_BAD_REQUEST = 400


async def build_classic(
    streams: StreamClient,
    control: ControlClient,
    request: ImageBuildRequest,
    context: AsyncIterator[bytes],
) -> AsyncGenerator[BuildOutput]:
    """Ends with the image's id or an error; closing it closes the connection, which cancels."""
    opening = StreamRequest(method="POST", path="/build", query=_query(request))
    async with (
        bounded_pids(streams, control, request) as bounding,
        streams.open(opening, body=context) as response,
    ):
        bounding.add_done_callback(lambda _: response.close())  # no step runs without its limit
        if response.status == _BAD_REQUEST:  # the file itself is wrong: a failure of the build
            yield BuildOutput(stream="stderr", error=(await reply_of(response)).message)
            return
        if not response.ok:
            raise refused(await reply_of(response))
        image_id: str | None = None
        async for line in lines_of(response.content.iter_any()):
            progress = msgspec.json.decode(line, type=wire.ProgressReply)
            image_id = _image_id(progress) or image_id
            if progress.error:
                yield BuildOutput(stream="stderr", error=progress.error)
                return
            if text := progress.stream or progress.status:
                yield BuildOutput(text=text)
    if image_id is None:
        raise EngineOutcomeUnknown("The engine ended the build without a result")
    yield BuildOutput(image_id=image_id)


def _query(request: ImageBuildRequest) -> dict[str, str]:
    return {
        "t": request.tag,
        "dockerfile": request.dockerfile,
        "target": request.target,
        "buildargs": _json(request.arguments),
        "labels": _json(request.labels),
        "networkmode": request.network,
        "nocache": str(int(not request.cache)),
        "rm": "1",
        "forcerm": "1",
        **_limits(request.limits),
    }


def _limits(limits: Limits) -> dict[str, str]:
    """Swap is never allowed; a builder that crashes leaves no core on the engine's machine."""
    return {
        "memory": str(limits.memory_bytes),
        "memswap": str(limits.memory_bytes),
        "cpuperiod": str(CPU_PERIOD_MICROSECONDS),
        "cpuquota": str(limits.cpu_millis * CPU_PERIOD_MICROSECONDS // 1_000),
        "ulimits": _json([{"Name": "core", "Soft": 0, "Hard": 0}]),
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _image_id(progress: wire.ProgressReply) -> str | None:
    found = progress.aux.get("ID")
    return found if isinstance(found, str) else None
