"""Around every request: its correlation id, its line in the log, its measurements, its errors."""

import re
import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from structlog.contextvars import bind_contextvars

from api.http import errors as e
from api.http.app_keys import ADDRESS, CORRELATION_ID, PARTS
from api.http.headers import CORRELATION_HEADER, allowed_methods, answer_options
from api.http.metrics import HttpMetrics
from api.logging import REQUESTS, RequestLine

GIVEN = re.compile(r"[A-Za-z0-9_-]{8,64}")
TRACE = re.compile(r"00-(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

_log = structlog.get_logger("http")


def observed(metrics: HttpMetrics) -> Middleware:
    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        request[ADDRESS] = _address(request)
        request[CORRELATION_ID] = correlation_id = _correlation_id(request)
        bind_contextvars(correlation_id=correlation_id)
        response = await _answer(request, handler)
        seconds = time.perf_counter() - begun
        route = _template(request)
        metrics.observe(request.method, route, response.status, seconds)
        REQUESTS.write(
            RequestLine(
                timestamp=request.app[PARTS].clock.now(),
                correlation_id=correlation_id,
                method=request.method,
                path=request.path,
                route=route,
                status=response.status,
                milliseconds=round(seconds * 1000, 1),
                address=request[ADDRESS],
            )
        )
        return response

    return observe


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - the outermost place: nothing may get past it
        if isinstance(error, web.HTTPMethodNotAllowed) and request.method == "OPTIONS":
            return answer_options(request, error)
        rejected = e.rejection_of(error)
        if rejected is None and isinstance(error, web.HTTPException):
            return error
        if rejected is None or rejected.kind.status == e.INTERNAL.status:
            _log.error("request failed", path=request.path, exc_info=error)
        elif rejected.kind is e.STORE_UNAVAILABLE:  # why is told to the operator alone
            _log.warning("log unavailable", path=request.path, reason=str(error))
        if rejected is None:
            rejected = e.Rejected(
                e.INTERNAL, f"Tell the operator this correlation id: {request[CORRELATION_ID]}."
            )
        response = e.problem_response(rejected, instance=request.path)
        if isinstance(error, web.HTTPMethodNotAllowed):
            response.headers["Allow"] = allowed_methods(error)
        return response


def _correlation_id(request: web.Request) -> str:
    given = request.headers.get(CORRELATION_HEADER, "")
    if GIVEN.fullmatch(given):
        return given
    traced = TRACE.fullmatch(request.headers.get("traceparent", ""))
    return traced["trace"] if traced else request.app[PARTS].ids.new()


def _address(request: web.Request) -> str:
    """The nearest address that is not one of our own proxies.

    One may add a line of its own below the client's: they are one list (RFC 9110, 5.3).
    """
    trusted = request.app[PARTS].settings.server.trusted_proxies
    address = request.remote or "unknown"
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
    while address in trusted and forwarded:
        address = forwarded.pop().strip() or address
    return address[:64]


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical
