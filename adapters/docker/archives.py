"""Files into and out of a container as tar streams, never whole in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from adapters.docker.containers import Containers, container_path
from adapters.docker.streams import CHUNK_BYTES, StreamClient, StreamRequest, reply_of
from domain.errors import EngineOutcomeUnknown

TRANSFER_SECONDS = 1_500  # an effect has 1,800, and must be able to say what took so long
SILENCE_SECONDS = 300


async def put_files(
    streams: StreamClient, containers: Containers, name: str, path: str, tar: AsyncIterator[bytes]
) -> None:
    try:
        async with (
            asyncio.timeout(TRANSFER_SECONDS),
            streams.open(_request("PUT", name, path), body=tar) as response,
        ):
            reply = await reply_of(response)
    except TimeoutError as error:
        raise EngineOutcomeUnknown(f"The upload to {name} took too long") from error
    if not reply.ok:
        raise await containers.refusal(name, reply)


async def get_files(
    streams: StreamClient, containers: Containers, name: str, path: str
) -> AsyncGenerator[bytes]:
    async with streams.open(_request("GET", name, path)) as response:
        if not response.ok:
            raise await containers.refusal(name, await reply_of(response))
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            yield chunk


def _request(method: str, name: str, path: str) -> StreamRequest:
    return StreamRequest(
        method=method,
        path=container_path(name, "/archive"),
        headers={"Accept-Encoding": "identity"},  # it would be packed for nothing
        query={"path": path},
        silence_seconds=SILENCE_SECONDS,
    )
