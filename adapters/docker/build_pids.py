"""Bounds the processes of each step of an image build, for which the builder itself has no word.

A step is a container that joins the build's network right before it runs, and the engine says so.
The limit is set as soon as that is heard: a few milliseconds after the step has begun.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NoReturn

import aiohttp
import msgspec

from adapters.docker import wire
from adapters.docker.control import ControlClient
from adapters.docker.errors import Reply, refused
from adapters.docker.events import events_request, lines_of
from adapters.docker.streams import StreamClient, reply_of
from domain.errors import EngineError, EngineOutcomeUnknown
from domain.ports import ImageBuildRequest

TRIES = 20
TRY_AGAIN_SECONDS = 0.1
_ENDED = wire.ENDED | {"removing"}


@asynccontextmanager
async def bounded_pids(
    streams: StreamClient, control: ControlClient, request: ImageBuildRequest
) -> AsyncGenerator[asyncio.Task[NoReturn]]:
    """The task that does it, and that ends only where it cannot go on. Begin the build inside."""
    filters = {"type": ["network"], "event": ["connect"], "network": [request.network]}
    async with streams.open(events_request(filters, since=datetime.now(UTC))) as joins:
        if not joins.ok:
            raise refused(await reply_of(joins))
        bounding = asyncio.create_task(_bound_each(joins, control, request))
        try:
            yield bounding
        except EngineError:
            if bounding.done():
                await bounding  # which tells why
            raise
        finally:
            bounding.cancel()
            await asyncio.gather(bounding, return_exceptions=True)


async def _bound_each(
    joins: aiohttp.ClientResponse, control: ControlClient, request: ImageBuildRequest
) -> NoReturn:
    async for line in lines_of(joins.content.iter_any()):
        actor = msgspec.json.decode(line, type=wire.EventReply).actor
        if actor.attributes.get("name") != request.network:  # the engine filters by beginnings
            continue
        await _bound(control, f"/containers/{actor.attributes['container']}", request.limits.pids)
    raise EngineOutcomeUnknown("The engine no longer tells which steps of a build begin")


async def _bound(control: ControlClient, step: str, pids: int) -> None:
    """A step may end first, which the engine refuses before it shows the end itself."""
    tries = 0
    while not (reply := await _update(control, step, pids)).ok:
        tries += 1
        if await _has_ended(control, step):
            return
        if tries == TRIES:
            raise refused(reply)
        await asyncio.sleep(TRY_AGAIN_SECONDS)


async def _update(control: ControlClient, step: str, pids: int) -> Reply:
    return await control.call("POST", f"{step}/update", body={"PidsLimit": pids})


async def _has_ended(control: ControlClient, step: str) -> bool:
    seen = await control.call("GET", f"{step}/json")
    if not seen.ok:
        return seen.status == HTTPStatus.NOT_FOUND
    return wire.container(seen.body).status in _ENDED
