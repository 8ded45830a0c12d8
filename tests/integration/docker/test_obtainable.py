"""Whether an image could be pulled, asked of an engine whose registry is ours to answer for."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from adapters.docker import DockerEngine
from domain.builds.diagnosis import Diagnosis, diagnose
from domain.builds.events import Step, StepLog
from domain.containers.spec import Limits
from domain.ports import ImageBuildRequest
from tests.support.container_engines import Bench, a_tar, on_docker
from tests.support.docker import labels

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
            assert "its registry does not have it" in reason
        for obtainable in ("here", "busy"):
            assert await why(f"{registry}/{obtainable}:1") is None


@on_docker
async def test_without_a_registry_people_are_told_to_load_the_image(bench: Bench) -> None:
    reason = await docker(bench).why_unobtainable("localhost:1/nothing:1")
    assert reason is not None
    assert "cannot reach its registry" in reason
    assert "docker load" in reason


async def diagnosed(bench: Bench, base_image: str) -> Diagnosis:
    """What is said of a build from that image, by what the engine says of it."""
    request = ImageBuildRequest(
        tag="eulermaker/test:unobtainable",
        dockerfile="Dockerfile",
        target="",
        arguments={},
        labels=labels(),
        limits=Limits(),
    )
    context = a_tar({"Dockerfile": f"FROM {base_image}\nRUN true\n".encode()})
    *_, last = [output async for output in bench.engine.build_image(request, context)]
    log = StepLog(tail=(f"error: {last.error}",))
    return diagnose(Step.IMAGE, 1, log, out_of_memory=False, memory_bytes=0)


@on_docker
async def test_a_build_whose_registry_is_away_may_be_tried_again(bench: Bench) -> None:
    found = await diagnosed(bench, "localhost:1/nothing:1")
    assert (found.user_fault, found.retryable) == (False, True)
    assert "localhost:1" in found.reason


@on_docker
async def test_a_build_from_an_image_that_is_nowhere_is_at_fault_itself(bench: Bench) -> None:
    async with a_registry() as registry:
        found = await diagnosed(bench, f"{registry}/missing:1")
    assert found.user_fault
    assert f"{registry}/missing" in found.reason
