"""Whether an image could be pulled, asked of an engine whose registry is ours to answer for."""

import pytest
from structlog.testing import capture_logs

from adapters.docker import DockerEngine
from domain.builds.diagnosis import Diagnosis, diagnose
from domain.builds.events import Step, StepLog
from domain.errors import EngineOutcomeUnknown, ImageNotFound
from tests.support.container_engines import Bench, a_tar, on_docker
from tests.support.registry import a_registry


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


@on_docker
async def test_only_an_image_that_the_registry_denies_is_not_found(bench: Bench) -> None:
    async with a_registry() as registry:
        for denied in ("missing", "private"):
            with pytest.raises(ImageNotFound):
                await bench.engine.pull(f"{registry}/{denied}:1")


@on_docker
async def test_a_registry_that_cannot_be_reached_says_nothing_of_its_images(bench: Bench) -> None:
    for unreachable in ("localhost:1/nothing:1", "registry.invalid/nothing:1"):
        with pytest.raises(EngineOutcomeUnknown, match=r"Pulling .* failed: .*dial tcp"):
            await bench.engine.pull(unreachable)


async def diagnosed(bench: Bench, base_image: str) -> Diagnosis:
    """What is said of a build from that image, by what the engine says of it."""
    request = await bench.image_request()
    context = a_tar({"Dockerfile": f"FROM {base_image}\nRUN true\n".encode()})
    *said, last = [output async for output in bench.engine.build_image(request, context)]
    lines = "".join(output.text for output in said).splitlines()
    log = StepLog(tail=(*lines, f"error: {last.error}"))
    return diagnose(Step.IMAGE, 1, log, out_of_memory=False, memory_bytes=0)


@on_docker
async def test_a_build_whose_registry_is_away_may_be_tried_again(bench: Bench) -> None:
    found = await diagnosed(bench, "localhost:1/nothing:1")
    assert (found.user_fault, found.retryable) == (False, True)
    assert found.reason.startswith("Image localhost:1/nothing:1 is not in the engine, and its")


@on_docker
async def test_a_build_from_an_image_that_is_nowhere_is_at_fault_itself(bench: Bench) -> None:
    async with a_registry() as registry:
        found = await diagnosed(bench, f"{registry}/missing:1")
    assert found.user_fault
    assert found.reason.startswith(f"Image {registry}/missing:1 is neither in the engine nor to be")
