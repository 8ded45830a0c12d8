"""Whether an image could be pulled, asked of an engine whose registry is ours to answer for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web
from structlog.testing import capture_logs

from adapters.docker import DockerEngine
from tests.support.container_engines import Bench, on_docker

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


def docker(bench: Bench) -> DockerEngine:
    assert isinstance(bench.engine, DockerEngine)
    return bench.engine


@on_docker
async def test_what_the_registry_has_is_obtainable_and_what_it_lacks_is_not(bench: Bench) -> None:
    async with a_registry() as registry:
        why = docker(bench).why_unobtainable
        for lacking in ("missing", "private"):
            reason = await why(f"{registry}/{lacking}:1")
            assert reason is not None
            assert "not to be had from its registry" in reason
        for obtainable in ("here", "busy"):
            assert await why(f"{registry}/{obtainable}:1") is None


@on_docker
async def test_what_the_engine_met_on_the_network_is_told_to_the_operator_alone(
    bench: Bench,
) -> None:
    why = docker(bench).why_unobtainable
    async with a_registry() as registry:
        with capture_logs() as logged:
            reasons = {
                await why(reference)
                for reference in (f"{registry}/missing:1", "localhost:1/nothing:1")
            }
    assert len(reasons) == 1
    assert "docker load" in str(reasons)
    assert logged[-1]["image"] == "localhost:1/nothing:1"
    assert "refused" in logged[-1]["reason"]
