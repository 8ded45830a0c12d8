"""A log whose stream hangs holds up no build: it is read as it stands, or said to lack its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest

from adapters.memory.container_engine import Program
from api.workers.whole_log import WholeLog
from domain.builds import events as e
from domain.builds import recipe
from domain.builds.commands import SubmitBuild
from domain.builds.spec import BuildSpec, RpmSource, SourceFile
from domain.errors import ContainerNotFound, EngineConflict, EngineRefused, LogIncomplete
from domain.event import DEFAULT_TENANT
from domain.ports import LogFrame
from tests.support.installation import Installation, run
from tests.support.waiting import until

STREAM, NAME, SUBJECT = "build-b", "em-b-1-toolchain-1", "build-b/1/toolchain/1"
SAID = (LogFrame(stream="stdout", data=b"first\n"), LogFrame(stream="stderr", data=b"last\n"))
WHOLE = b"first\nlast\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.workers.whole_log.SILENCE_SECONDS", 0.1)
    monkeypatch.setattr("api.workers.reconciler.FULL_LOOK_SECONDS", 0.1)


async def _a_build_whose_log_hangs(at: Installation) -> None:
    content = b"Name: hello\n"
    file = SourceFile(name="hello.spec", digest=await at.keep(content), size=len(content))
    at.engine.programs[recipe.toolchain_script(),] = Program(output=SAID, log_hangs=True)
    spec = BuildSpec(name="hello", source=RpmSource(spec=file))
    await at.send(SubmitBuild(build_id="b", spec=spec, base_image="base:1"))
    await at.recorded(STREAM, e.BuildStepStarted)


async def _end_of_step(at: Installation) -> e.BuildStepFinished:
    at.engine.end(NAME, 1)
    *_, finished, _ = await at.recorded(STREAM, e.BuildStepFinished)
    assert isinstance(finished, e.BuildStepFinished)
    return finished


async def _stored(at: Installation) -> bytes:
    chunks = await at.logs.read(DEFAULT_TENANT, SUBJECT)
    return b"".join(chunk.data for chunk in chunks)


def test_a_step_ends_with_its_whole_log_although_the_stream_does_not_end() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _a_build_whose_log_hangs(at)
            finished = await _end_of_step(at)
        assert await _stored(at) == WHOLE
        assert (finished.log.size, finished.log.truncated) == (len(WHOLE), False)
        assert finished.log.tail == ("first", "last")

    run(body)


def test_a_step_ends_even_if_the_engine_gives_no_more_of_its_log() -> None:
    async def body(at: Installation) -> None:
        async def stuck(name: str, *, follow: bool) -> AsyncIterator[LogFrame]:
            del name
            if follow:
                yield SAID[0]
            await asyncio.Event().wait()

        at.engine.logs = stuck  # type: ignore[method-assign, assignment] # a broken engine
        async with at.at_work():
            await _a_build_whose_log_hangs(at)
            finished = await _end_of_step(at)
        assert await _stored(at) == SAID[0].data
        assert (finished.log.size, finished.log.truncated) == (len(SAID[0].data), True)

    run(body)


def test_a_living_container_may_be_silent_for_as_long_as_it_likes() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _a_build_whose_log_hangs(at)
            await asyncio.sleep(0.5)  # far longer than silence after the end may last
            at.engine.write(NAME, SAID[0])
            finished = await _end_of_step(at)
        assert finished.log.size == len(WHOLE + SAID[0].data)
        assert len(at.calls("logs")) == 2

    run(body)


def test_a_log_that_hung_is_read_on_within_a_piece() -> None:
    """Where the second reading cuts the bytes differently, none is lost or doubled."""

    async def body(at: Installation) -> None:
        async def cut_differently(name: str, *, follow: bool) -> AsyncIterator[LogFrame]:
            del name
            yield LogFrame(stream="stdout", data=b"abc" if follow else b"ab")
            if follow:
                await asyncio.Event().wait()
            yield LogFrame(stream="stdout", data=b"cdef")

        at.engine.logs = cut_differently  # type: ignore[method-assign, assignment]
        whole = WholeLog(at.engine, NAME)
        whole.container_has_ended()
        pieces = [frame.data async for frame in whole.frames()]
        assert b"".join(pieces) == b"abcdef"

    run(body)


def test_a_log_that_may_have_been_cut_is_read_again_as_it_stands() -> None:
    async def body(at: Installation) -> None:
        async def cut(name: str, *, follow: bool) -> AsyncIterator[LogFrame]:
            yield SAID[0]
            if follow:
                at.engine.end(name, 0)
                return  # as if that were all
            yield SAID[1]

        async with at.at_work():
            await _a_build_whose_log_hangs(at)
            at.engine.logs = cut  # type: ignore[method-assign, assignment]
            pieces = [frame.data async for frame in WholeLog(at.engine, NAME).frames()]
        assert b"".join(pieces) == WHOLE

    run(body)


@pytest.mark.parametrize("refusal", [None, ContainerNotFound(NAME), EngineConflict("removing")])
@pytest.mark.parametrize("pauses_before_the_end", [True, False])
def test_a_log_that_cannot_be_read_again_is_whole_only_if_there_was_a_pause_right_before_its_end(
    monkeypatch: pytest.MonkeyPatch,
    pauses_before_the_end: bool,  # noqa: FBT001 - a case
    refusal: EngineRefused | None,
) -> None:
    monkeypatch.setattr("api.workers.whole_log.PAUSE_SECONDS", 0.01)

    async def body(at: Installation) -> None:
        async def removed_meanwhile(name: str, *, follow: bool) -> AsyncIterator[LogFrame]:
            if refusal and not follow:
                raise refusal
            yield SAID[0]
            if pauses_before_the_end:
                await asyncio.sleep(0.2)
            if refusal:
                at.engine.end(name, 0)
            else:
                at.engine.disappear(name)

        async with at.at_work():
            await _a_build_whose_log_hangs(at)
        at.engine.logs = removed_meanwhile  # type: ignore[method-assign, assignment]
        lacks_its_end = pytest.raises(LogIncomplete)
        with nullcontext() if pauses_before_the_end else lacks_its_end:
            assert [frame async for frame in WholeLog(at.engine, NAME).frames()] == [SAID[0]]

    run(body)


@pytest.mark.parametrize("pauses_before_the_end", [True, False])
def test_a_large_log_is_read_again_unless_there_was_a_pause_right_before_its_end(
    monkeypatch: pytest.MonkeyPatch,
    pauses_before_the_end: bool,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setattr("api.workers.whole_log.SMALL_BYTES", 0)
    monkeypatch.setattr("api.workers.whole_log.PAUSE_SECONDS", 0.01)
    followings: list[bool] = []

    async def body(at: Installation) -> None:
        async def followed(name: str, *, follow: bool) -> AsyncIterator[LogFrame]:
            followings.append(follow)
            yield SAID[0]
            if follow:
                await asyncio.sleep(0.2)
            yield SAID[1]
            if follow and pauses_before_the_end:
                await asyncio.sleep(0.2)
            if follow:
                at.engine.end(name, 0)

        async with at.at_work():
            await _a_build_whose_log_hangs(at)
        at.engine.logs = followed  # type: ignore[method-assign, assignment]
        pieces = [frame.data async for frame in WholeLog(at.engine, NAME).frames()]
        assert b"".join(pieces) == WHOLE
        assert followings == ([True] if pauses_before_the_end else [True, False])

    run(body)


def test_a_log_that_hangs_is_given_up_once_its_step_is_removed() -> None:
    """An engine may forget to tell who follows a log that its container is gone."""

    async def body(at: Installation) -> None:
        def following() -> set[str]:
            return {task.get_name() for task in asyncio.all_tasks()} & {f"log {NAME}"}

        async with at.at_work():
            await _a_build_whose_log_hangs(at)
            await until(lambda: bool(following()))
            at.engine.disappear(NAME)
            await at.recorded(STREAM, e.BuildErrored)
            await until(lambda: not following())

    run(body)
