"""More log than is kept ends a build by its own fault; a container goes on without being heard."""

import asyncio

import pytest

from adapters.memory.container_engine import Program
from domain.builds import events as e
from domain.builds import recipe
from domain.builds.commands import SubmitBuild
from domain.builds.events import Step
from domain.builds.spec import BuildSpec, ImageSource, RpmSource, SourceFile
from domain.containers import commands as cc
from domain.containers import events as ce
from domain.containers.spec import ContainerSpec
from domain.event import DEFAULT_TENANT
from domain.ports import LogFrame
from tests.support.installation import Installation, run
from tests.support.waiting import until

LOG_BYTES = 10
NOTE = b"\n[Only the first 10 bytes of this log are kept.]\n"
TALK = (LogFrame(stream="stdout", data=b"one\ntwo\nthree\n"),)


async def a_source(at: Installation) -> SourceFile:
    content = b"Name: hello\n"
    return SourceFile(name="hello.spec", digest=await at.keep(content), size=len(content))


async def failed(at: Installation, source: RpmSource | ImageSource) -> e.BuildFailed:
    at.log_bytes = LOG_BYTES
    async with at.at_work():
        spec = BuildSpec(name="hello", source=source)
        await at.send(SubmitBuild(build_id="b", spec=spec, base_image="base:1"))
        *_, last = await at.recorded("build-b", e.BuildFailed)
        await until(lambda: at.engine.networks.keys() <= {"eulermaker-builds-i-1"})
        while (await at.engine.list({})).names:  # noqa: ASYNC110 - no signal
            await asyncio.sleep(0.01)
    assert isinstance(last, e.BuildFailed)
    return last


@pytest.mark.parametrize("exit_code", [None, 0])
def test_a_step_that_writes_too_much_fails_and_is_removed_ended_or_not(
    exit_code: int | None,
) -> None:
    async def body(at: Installation) -> None:
        program = Program(output=TALK, exit_code=exit_code)
        at.engine.programs[recipe.toolchain_script(),] = program
        last = await failed(at, RpmSource(spec=await a_source(at)))
        assert (last.step, last.exit_code) == (Step.TOOLCHAIN, None)
        assert "toolchain wrote more log than is kept (59 bytes)" in last.reason
        assert last.log_tail == ("one", "two", "th", NOTE.decode().strip())
        kept = await at.logs.read(DEFAULT_TENANT, "build-b/1/toolchain/1")
        assert b"".join(chunk.data for chunk in kept) == b"one\ntwo\nth" + NOTE

    run(body)


def test_an_image_build_that_writes_too_much_fails_though_it_ended_well() -> None:
    async def body(at: Installation) -> None:
        last = await failed(at, ImageSource(context=await a_source(at)))
        assert last.step is Step.IMAGE
        assert "Let it write less" in last.reason

    run(body)


def test_a_container_that_writes_too_much_runs_on_and_its_log_says_so_and_ends() -> None:
    async def body(at: Installation) -> None:
        at.log_bytes = LOG_BYTES
        at.engine.programs["serve",] = Program(output=TALK)
        spec = ContainerSpec(image="alpine:3", name="web", command=("serve",))
        async with at.at_work():
            await at.send(cc.RequestContainer(container_id="a", spec=spec))
            await at.recorded("container-a", ce.ContainerStarted)
            while not (await at.logs.end(DEFAULT_TENANT, "container-a/1")).closed:  # noqa: ASYNC110 - no signal
                await asyncio.sleep(0.01)
            await at.reconciler.stop()
            at.wire()  # another process reads the same log again from its first byte
            looks = len(at.calls("logs"))
            async with at.at_work(at.reconciler):
                await until(lambda: len(at.calls("logs")) > looks)
        kept = await at.logs.read(DEFAULT_TENANT, "container-a/1")
        assert b"".join(chunk.data for chunk in kept) == b"one\ntwo\nth" + NOTE
        (container,) = (await at.engine.list({})).containers
        assert container.status == "running"

    run(body)
