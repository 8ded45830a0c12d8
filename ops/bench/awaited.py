"""Waits at /v1/events for what an aggregate does next."""

import asyncio

import aiohttp
import msgspec

EVENT_SECONDS = 900.0


class Seen(msgspec.Struct, frozen=True):
    stream: str
    type: str
    position: int


class Message(msgspec.Struct, frozen=True):
    """An event, or a sign of life without one."""

    event: Seen | None = None


async def wait_for(socket: aiohttp.ClientWebSocketResponse, stream: str) -> Seen:
    """The next event of the stream that the socket lets through."""
    async with asyncio.timeout(EVENT_SECONDS):
        while True:
            event = msgspec.json.decode(await socket.receive_str(), type=Message).event
            if event is not None and event.stream == stream:
                return event
