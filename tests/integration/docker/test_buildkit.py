"""BuildKit by the engine's own API: what each step did, as data."""

from contextlib import aclosing
from pathlib import Path

from adapters.docker import DockerEngine
from adapters.docker.buildkit import BuildStep, BuildStepLog, Progress
from domain.containers.spec import Limits
from domain.ports import BuildOutput, ImageBuildRequest
from tests.support.container_engines import Bench, a_tar, on_docker
from tests.support.docker import base_image, labels, new_name
from tests.support.engine_proxy import until

DOCKERFILE = "ARG IMAGE\nFROM $IMAGE\nRUN echo {mark}; echo aside >&2\n"


async def build(bench: Bench, dockerfile: str) -> list[Progress]:
    assert isinstance(bench.engine, DockerEngine)
    context = a_tar({"Dockerfile": dockerfile.encode()})
    stream = bench.engine.build_image_with_buildkit(a_request(), context)
    return [progress async for progress in stream]


def a_request() -> ImageBuildRequest:
    return ImageBuildRequest(
        tag=f"eulermaker/test:{new_name()}",
        dockerfile="Dockerfile",
        target="",
        arguments={"IMAGE": base_image()},
        labels=labels(),
        limits=Limits(),
    )


def the_run_step(progress: list[Progress]) -> BuildStep:
    steps = {each.digest: each for each in progress if isinstance(each, BuildStep)}
    (step,) = [step for step in steps.values() if "RUN" in step.name]
    return step


@on_docker
async def test_a_step_tells_its_times_its_log_and_then_that_it_was_cached(bench: Bench) -> None:
    dockerfile = DOCKERFILE.format(mark=new_name())
    first, second = await build(bench, dockerfile), await build(bench, dockerfile)
    step = the_run_step(first)
    assert step.started_at is not None
    assert step.completed_at is not None
    assert step.completed_at > step.started_at
    said = {log.stream: log.data for log in first if isinstance(log, BuildStepLog)}
    assert said["stderr"] == b"aside\n"
    assert said["stdout"].startswith(b"em-test-")
    assert (step.cached, the_run_step(second).cached) == (False, True)
    ends = [progress[-1] for progress in (first, second)]
    assert all(isinstance(end, BuildOutput) and end.image_id for end in ends)


@on_docker
async def test_a_failing_step_is_named_with_its_error(bench: Bench) -> None:
    progress = await build(bench, f"ARG IMAGE\nFROM $IMAGE\nRUN exit 9 # {new_name()}\n")
    assert "exit code: 9" in the_run_step(progress).error
    end = progress[-1]
    assert isinstance(end, BuildOutput)
    assert end.error


@on_docker
async def test_closing_the_stream_ends_the_step_within_two_seconds(bench: Bench) -> None:
    assert isinstance(bench.engine, DockerEngine)
    mark = new_name()
    dockerfile = f"ARG IMAGE\nFROM $IMAGE\nRUN echo begun; sleep 1000 # {mark}\n"
    context = a_tar({"Dockerfile": dockerfile.encode()})
    async with aclosing(bench.engine.build_image_with_buildkit(a_request(), context)) as progress:
        while not isinstance(await anext(progress), BuildStepLog):
            pass
        assert is_running(mark)
    await until(lambda: not is_running(mark), seconds=2)


def is_running(mark: str) -> bool:
    """Steps of BuildKit are in no list of containers."""
    commands = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))
    return any(mark.encode() in command for command in commands)
