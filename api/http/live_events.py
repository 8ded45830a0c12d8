"""The WebSocket side of /v1/events: resumes after a position, filters here, takes no messages."""

import asyncio
from contextlib import suppress

from aiohttp import web

from api.http import errors as e
from api.http.app_keys import BROADCAST, OPEN_STREAMS, STOPPING
from api.http.broadcast import Subscriber
from api.http.call import Answered, Call
from api.http.decoding import Nothing
from api.http.event_filter import EventFilter
from api.http.events import EventPage, EventsQuery, page_of_events
from api.http.queries import check_reached

MAX_MESSAGE_BYTES = 65_536
PING_SECONDS = 20.0
CLOSE_SECONDS = 0.5


async def list_events(
    call: Call[EventsQuery, Nothing],
) -> Answered[EventPage] | web.StreamResponse:
    """A page; or, for a WebSocket, everything from there on for as long as it is open."""
    if call.request.headers.get("Upgrade", "").lower() != "websocket":
        return await page_of_events(call)
    _check_origin(call)
    if call.request.app[STOPPING].is_set():
        raise e.Rejected(e.NOT_YET_READY, "The service stops. Connect again shortly.")
    with call.request.app[OPEN_STREAMS].admit(call.principal.key_id):
        return await _stream(call)


async def _stream(call: Call[EventsQuery, Nothing]) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(
        heartbeat=PING_SECONDS,
        timeout=CLOSE_SECONDS,
        max_msg_size=MAX_MESSAGE_BYTES,
        compress=False,
    )
    position, wanted = await _start(call), call.query.filter(call.principal)
    await socket.prepare(call.request)
    await _serve(call, socket, position, wanted)
    return socket


async def _serve(
    call: Call[EventsQuery, Nothing],
    socket: web.WebSocketResponse,
    position: int,
    wanted: EventFilter,
) -> None:
    transport = call.request.transport
    assert transport is not None
    subscriber = Subscriber(socket, transport, call.principal, wanted, position)
    serving = asyncio.create_task(call.request.app[BROADCAST].serve(subscriber))
    try:
        async for _ in socket:
            pass  # clients have nothing to say; reading answers their pings and sees them go
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


async def _start(call: Call[EventsQuery, Nothing]) -> int:
    """From now on, unless a position is named."""
    head = (await call.parts.store.head()).position
    start = call.query.start
    if start is None:
        return head
    check_reached(start, head)
    return start


def _check_origin(call: Call[EventsQuery, Nothing]) -> None:
    """Browsers always say where a page came from; other clients say nothing."""
    origin = call.request.headers.get("Origin")
    if origin is None or origin in call.parts.settings.server.allowed_origins:
        return
    raise e.Rejected(
        e.FOREIGN_ORIGIN, "Add this origin to server.allowed_origins, or connect without one."
    )
