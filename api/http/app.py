"""The HTTP application: the route table wired to the parts it is given."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from api.http.app_keys import (
    BROADCAST,
    CONTEXT_CHECKS,
    KEY_RING,
    OPEN_STREAMS,
    OPENAPI,
    PARTS,
    STOPPING,
)
from api.http.auth import KeyRing
from api.http.broadcast import Broadcast
from api.http.contexts import CHECKS_AT_ONCE
from api.http.endpoint import endpoint
from api.http.headers import add_headers
from api.http.metrics import HttpMetrics
from api.http.observed import observed
from api.http.open_streams import OpenStreams
from api.http.openapi import openapi_document
from api.http.parts import HttpParts
from api.http.route import Route
from api.http.routes import ROUTES

MAX_BODY_BYTES = 256 * 1024
MAX_LINE_BYTES = 8_190


def create_app(parts: HttpParts, routes: Sequence[Route] = ROUTES) -> web.Application:
    metrics = HttpMetrics(parts.registry)
    app = web.Application(
        middlewares=(observed(metrics),),
        client_max_size=MAX_BODY_BYTES,
        handler_args={
            "auto_decompress": False,  # no body may grow on its way in
            "max_line_size": MAX_LINE_BYTES,
            "max_field_size": MAX_LINE_BYTES,
            "access_log": None,
        },
    )
    app[PARTS] = parts
    app[KEY_RING] = KeyRing(parts.handler, parts.queries, parts.clock)
    app[BROADCAST] = Broadcast(parts.tail, parts.store, app[KEY_RING])
    app[OPEN_STREAMS] = OpenStreams(parts.settings.access.streams_per_key)
    app[STOPPING] = asyncio.Event()
    app[CONTEXT_CHECKS] = asyncio.Semaphore(CHECKS_AT_ONCE)
    app[OPENAPI] = openapi_document(routes)
    for route in routes:
        app.router.add_route(route.method, route.path, endpoint(route, metrics))
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, endpoint(route, metrics))
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_stop)
    app.cleanup_ctx.append(_broadcasting)
    return app


async def _broadcasting(app: web.Application) -> AsyncIterator[None]:
    await app[BROADCAST].start()
    yield
    await app[BROADCAST].stop()


async def _stop(app: web.Application) -> None:
    """Open streams end now, so that requests under way are all that is waited for."""
    app[STOPPING].set()
    await app[BROADCAST].stop()
