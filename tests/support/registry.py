"""A registry that answers by the name of the image it is asked for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DIGEST = f"sha256:{'1' * 64}"
SAYS = {"here": 200, "missing": 404, "private": 401, "busy": 429}
CODES = {404: "MANIFEST_UNKNOWN", 401: "UNAUTHORIZED", 429: "TOOMANYREQUESTS"}


async def manifest(request: web.Request) -> web.Response:
    status = SAYS[request.match_info["name"]]
    if status != 200:
        code = CODES[status]
        return web.json_response({"errors": [{"code": code, "message": code}]}, status=status)
    config = {"mediaType": "application/octet-stream", "size": 2, "digest": DIGEST}
    layers: list[str] = []
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
    headers = {"Content-Type": MANIFEST, "Docker-Content-Digest": DIGEST}
    return web.json_response(body, headers=headers)


@asynccontextmanager
async def a_registry() -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_get("/v2/", _empty)
    app.router.add_get("/v2/{name}/manifests/{tag}", manifest)
    app.router.add_get("/v2/{name}/blobs/{digest}", _empty)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _empty(_: web.Request) -> web.Response:
    return web.json_response({})
