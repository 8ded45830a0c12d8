"""From a route to what aiohttp calls: let in, decode, handle, answer."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from api.http.app_keys import ADDRESS, CORRELATION_ID, PARTS
from api.http.call import Answered, Call
from api.http.decoding import Nothing, decode_body, decode_query
from api.http.door import Visitor
from api.http.metrics import HttpMetrics
from api.http.route import Route

_ENCODER = msgspec.json.Encoder()


def endpoint(
    route: Route, metrics: HttpMetrics
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        parts = request.app[PARTS]
        address, correlation_id = request[ADDRESS], request[CORRELATION_ID]
        principal = await Visitor(request, address, correlation_id).enter(route, metrics)
        body = Nothing()
        if not route.raw_body and request.method != "HEAD":
            timeout = parts.settings.server.body_timeout_seconds
            body = await decode_body(request, route.body, timeout)
        call = Call(
            request=request,
            parts=parts,
            principal=principal,
            correlation_id=correlation_id,
            address=address,
            query=decode_query(request.query, route.query),
            body=body,
        )
        answered = await route.handler(call)
        return _response(answered) if isinstance(answered, Answered) else answered

    return answer


def _response(answered: Answered[object]) -> web.Response:
    return web.Response(
        status=answered.status,
        body=_ENCODER.encode(answered.body),
        headers=answered.headers,
        content_type="application/json",
    )
