"""A build that was stopped shows what it was doing, and an idle one is stopped in time."""

import asyncio
from typing import NoReturn

import pytest

from adapters.memory.container_engine import Program
from domain.builds import events as e
from domain.builds import recipe
from domain.builds.commands import CancelBuild, SubmitBuild
from domain.builds.events import Step
from domain.builds.spec import BuildSpec, RpmSource, SourceFile
from domain.errors import BlobDamaged, ContainerNotFound, EngineConflict, EngineRefused
from domain.event import DEFAULT_TENANT
from domain.ports import LogFrame
from tests.support.installation import Installation, run
from tests.support.waiting import until

STREAM, NAME = "build-b", "em-b-1-toolchain-1"
SUBJECT = "build-b/1/toolchain/1"
TALKS = Program(
    output=(
        LogFrame(stream="stdout", data=b"".join(b"line %d\n" % n for n in range(30))),
        LogFrame(stream="stderr", data=b"waiting for a lock\n"),
    )
)
"""And then it says no more."""


async def a_build_that_hangs(at: Installation, *, idle_seconds: int = 900) -> None:
    content = b"Name: hello\n"
    file = SourceFile(name="hello.spec", digest=await at.keep(content), size=len(content))
    spec = BuildSpec(name="hello", source=RpmSource(spec=file), idle_seconds=idle_seconds)
    at.engine.programs[recipe.toolchain_script(),] = TALKS
    await at.send(SubmitBuild(build_id="b", spec=spec, base_image="base:1"))


def test_a_cancelled_build_shows_its_last_lines() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await a_build_that_hangs(at)
            await at.recorded(STREAM, e.BuildStepStarted)
            size = sum(len(frame.data) for frame in TALKS.output)
            while (await at.logs.end(DEFAULT_TENANT, SUBJECT)).next_offset < size:  # noqa: ASYNC110 - no signal
                await asyncio.sleep(0.01)
            await at.send(CancelBuild(build_id="b"))
            *_, cancelled = await at.recorded(STREAM, e.BuildCancelled)
        assert isinstance(cancelled, e.BuildCancelled)
        assert cancelled.step is Step.TOOLCHAIN
        assert cancelled.log_tail == (
            *(f"line {number}" for number in range(11, 30)),
            "waiting for a lock",
        )

    run(body)


def test_a_step_that_the_engine_fails_to_show_is_killed_and_swept_all_the_same() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await a_build_that_hangs(at)
            await at.recorded(STREAM, e.BuildStepStarted)
            at.engine.unseen.add(NAME)
            await at.send(CancelBuild(build_id="b"))
            await at.recorded(STREAM, e.BuildCancelled)
            await until(at.effects.is_empty)
        assert NAME in at.calls("kill")
        assert NAME in at.calls("remove")

    run(body)


@pytest.mark.parametrize("error", [ContainerNotFound(NAME), EngineConflict("is not running")])
def test_a_step_that_is_listed_but_cannot_be_killed_any_more_is_stopped(
    error: EngineRefused,
) -> None:
    """An engine lists a container for a while that it is removing already."""

    async def body(at: Installation) -> None:
        async def too_late(name: str, *, signal: str) -> None:
            del name, signal
            raise error

        at.engine.kill = too_late  # type: ignore[method-assign] # as a dying engine answers
        async with at.at_work():
            await a_build_that_hangs(at)
            await at.recorded(STREAM, e.BuildStepStarted)
            await at.send(CancelBuild(build_id="b"))
            await at.recorded(STREAM, e.BuildCancelled)

    run(body)


def test_a_stop_that_the_engine_refuses_is_tried_again() -> None:
    async def body(at: Installation) -> None:
        at.engine.fail_next("kill", EngineRefused("not now"))
        async with at.at_work():
            await a_build_that_hangs(at)
            await at.recorded(STREAM, e.BuildStepStarted)
            await at.send(CancelBuild(build_id="b"))
            await at.recorded(STREAM, e.BuildCancelled)
        assert at.calls("kill") == [NAME, NAME]

    run(body)


def test_a_build_is_stopped_although_its_log_is_damaged() -> None:
    async def body(at: Installation) -> None:
        async def damaged(*_: object, **__: object) -> NoReturn:
            raise BlobDamaged("sha256:00")

        at.logs.read = damaged  # type: ignore[method-assign]
        async with at.at_work():
            await a_build_that_hangs(at)
            await at.recorded(STREAM, e.BuildStepStarted)
            await at.send(CancelBuild(build_id="b"))
            *_, cancelled = await at.recorded(STREAM, e.BuildCancelled)
        assert isinstance(cancelled, e.BuildCancelled)
        assert cancelled.log_tail == ()

    run(body)


def test_an_idle_build_is_stopped_within_a_second_of_its_limit() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await a_build_that_hangs(at, idle_seconds=1)
            began = asyncio.get_running_loop().time()
            await at.recorded(STREAM, e.BuildTimeLimitReached)
            took = asyncio.get_running_loop().time() - began
            *_, timed_out = await at.recorded(STREAM, e.BuildTimedOut)
        assert 1.0 <= took < 3.0
        assert isinstance(timed_out, e.BuildTimedOut)
        assert timed_out.limit == "idle"
        assert timed_out.log_tail[-1] == "waiting for a lock"

    run(body)


def test_a_build_that_still_writes_is_not_idle_and_costs_no_look_at_the_engine() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await a_build_that_hangs(at, idle_seconds=1)
            await at.recorded(STREAM, e.BuildStepStarted)
            calls = at.calls("inspect")
            for _ in range(4):
                await asyncio.sleep(0.5)
                at.engine.write(NAME, LogFrame(stream="stdout", data=b"on\n"))
            assert len(at.calls("inspect")) <= len(calls) + 1
        assert not [
            each for each in await at.events(STREAM) if isinstance(each, e.BuildTimeLimitReached)
        ]

    run(body)
