"""Headers of every answer: nothing is cached, sniffed or framed; CORS where it is configured."""

from aiohttp import web

from api.http.app_keys import CORRELATION_ID, PARTS

CORRELATION_HEADER = "X-Correlation-Id"
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, X-Correlation-Id"
EXPOSED_HEADERS = "ETag, Location, Retry-After, X-Correlation-Id, X-Log-Next-Offset"
CORS_SECONDS = "600"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    for name, value in SECURITY.items():
        headers.setdefault(name, value)
    headers["Server"] = "eulermaker"
    headers[CORRELATION_HEADER] = request.get(CORRELATION_ID, "")
    origin = request.headers.get("Origin")
    allowed = request.app[PARTS].settings.server.cors_origins
    if not allowed:
        return
    headers["Vary"] = "Origin"
    if origin in allowed:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS


def answer_options(request: web.Request, error: web.HTTPMethodNotAllowed) -> web.Response:
    """OPTIONS says what an address knows; for a browser from elsewhere also what it may send."""
    methods = allowed_methods(error)
    headers = {"Allow": methods}
    if request.headers.get("Origin") in request.app[PARTS].settings.server.cors_origins:
        headers["Access-Control-Allow-Methods"] = methods
        headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        headers["Access-Control-Max-Age"] = CORS_SECONDS
    return web.Response(status=204, headers=headers)


def allowed_methods(error: web.HTTPMethodNotAllowed) -> str:
    return ", ".join(sorted({*error.allowed_methods, "OPTIONS"}))
