"""The engine's events as wake-ups: it drops and forgets them, so they prove nothing."""

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime, timedelta

import msgspec

from adapters.docker import wire
from adapters.docker.errors import refused
from adapters.docker.streams import StreamClient, StreamRequest, reply_of
from domain.ports import EngineEvent

# Engines on other machines have other clocks; hearing of something twice does no harm.
BACKLOG = timedelta(seconds=5)


async def read_events(
    streams: StreamClient, *, labels: dict[str, str], since: datetime
) -> AsyncGenerator[EngineEvent]:
    filters = {"type": ["container"], "label": [f"{k}={v}" for k, v in labels.items()]}
    async with streams.open(events_request(filters, since=since)) as response:
        if not response.ok:
            raise refused(await reply_of(response))
        async for line in lines_of(response.content.iter_any()):
            yield wire.event(line)


def events_request(filters: dict[str, list[str]], *, since: datetime) -> StreamRequest:
    """Its answer has all that happens from then on, and a little of before."""
    query = {
        "since": f"{(since - BACKLOG).timestamp():.6f}",
        "filters": msgspec.json.encode(filters).decode(),
    }
    return StreamRequest(path="/events", query=query)


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Of any length: aiohttp's own line reader refuses long ones."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
    if rest.strip():
        yield rest
