"""Streams that are left early: no connection, task or process stays behind."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from adapters.docker import DockerEngine
from api.workers.whole_log import WholeLog
from domain.containers.spec import Limits
from domain.errors import BlobMissing, EngineOutcomeUnknown
from domain.ports import ImageBuildRequest, LogFrame
from tests.support.container_engines import (
    MEBIBYTE,
    SHOW_LIMITS,
    TALKS,
    TALKS_AND_STAYS,
    Bench,
    a_tar,
    on_docker,
)
from tests.support.docker import base_image, sdk, step_states
from tests.support.engine_proxy import an_engine_proxy, until

FOLLOWERS = 200


@on_docker
async def test_cancelled_followers_leave_no_connection_and_the_engine_answers(
    bench: Bench,
) -> None:
    name = await bench.running(TALKS_AND_STAYS.command)
    async with an_engine_proxy() as proxy, await DockerEngine.open(proxy.address) as engine:
        await engine.identity()
        before = proxy.open_connections
        heard = asyncio.Semaphore(0)
        followers = [
            asyncio.create_task(follow(engine.logs(name, follow=True), heard))
            for _ in range(FOLLOWERS)
        ]
        for _ in followers:
            await heard.acquire()
        assert proxy.open_connections == before + FOLLOWERS
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        await until(lambda: proxy.open_connections == before)
        assert await engine.inspect(name) is not None


async def follow(frames: AsyncGenerator[LogFrame], heard: asyncio.Semaphore) -> None:
    async with aclosing(frames):
        async for _ in frames:
            heard.release()


@on_docker
async def test_a_log_whose_stream_hangs_is_read_once_its_container_has_ended(bench: Bench) -> None:
    name = await bench.ended(TALKS.command)
    async with an_engine_proxy() as proxy, await DockerEngine.open(proxy.address) as engine:
        proxy.mutes = b"follow=1"
        log = WholeLog(engine, name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("api.workers.whole_log.SILENCE_SECONDS", 0.5)
            log.container_has_ended()
            said = [frame.data async for frame in log.frames()]
        assert b"".join(said) == b"one\ntwo\nthree\n"
        assert proxy.asked(b"follow=1") == 1


@on_docker
async def test_a_log_that_breaks_off_is_not_taken_for_whole(bench: Bench) -> None:
    name = await bench.running(TALKS_AND_STAYS.command)
    async with (
        an_engine_proxy() as proxy,
        await DockerEngine.open(proxy.address) as engine,
        aclosing(engine.logs(name, follow=True)) as frames,
    ):
        await anext(frames)
        proxy.cut()
        with pytest.raises(EngineOutcomeUnknown):
            await anext(frames)


@on_docker
async def test_closing_a_build_ends_what_it_runs_within_two_seconds(bench: Bench) -> None:
    request = await a_request(bench)
    dockerfile = f"ARG IMAGE\nFROM $IMAGE\nRUN echo begun; exec sleep 1000 # {request.tag}\n"
    output = bench.engine.build_image(request, a_tar({"Dockerfile": dockerfile.encode()}))
    async with aclosing(output):
        while "begun" not in (await anext(output)).text.splitlines():
            pass
        await until(lambda: step_states(request.tag) == ["running"])
    await until(lambda: step_states(request.tag) == [], seconds=2)


async def a_request(bench: Bench, **changes: Any) -> ImageBuildRequest:
    return await bench.image_request(arguments={"IMAGE": base_image()}, **changes)


@on_docker
async def test_a_build_keeps_its_limits_and_stops_at_its_target(bench: Bench) -> None:
    limits = Limits(memory_bytes=64 * MEBIBYTE, cpu_millis=500, pids=33)
    request = await a_request(bench, target="first", limits=limits)
    files = {
        "Dockerfile": b"ARG IMAGE\nFROM $IMAGE AS first\nCOPY limits /\n"
        b"RUN until sh /limits | grep -qx 33; do sleep 0.01; done; sh /limits\n"
        b"RUN until sh /limits | grep -qx 33; do sleep 0.01; done; echo second\n"
        b"FROM first\nRUN exit 9\n",
        "limits": SHOW_LIMITS.encode(),
    }
    output = [piece async for piece in bench.engine.build_image(request, a_tar(files))]
    told = "".join(piece.text for piece in output).splitlines()
    begin = told.index(str(64 * MEBIBYTE))
    assert told[begin : begin + 3] == [str(64 * MEBIBYTE), "33", "50000"]
    assert "second" in told
    assert output[-1].image_id


@on_docker
async def test_a_step_that_forks_for_ever_is_stopped_at_its_limit(bench: Bench) -> None:
    request = await a_request(bench, limits=Limits(pids=40))
    script = (
        "until sh /limits | grep -qx 40; do sleep 0.01; done;"
        " i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i + 1)); done"
    )
    dockerfile = f"ARG IMAGE\nFROM $IMAGE\nCOPY limits /\nRUN {script} # {request.tag}\n"
    files = {"Dockerfile": dockerfile.encode(), "limits": SHOW_LIMITS.encode()}
    *said, last = [piece async for piece in bench.engine.build_image(request, a_tar(files))]
    assert last.error
    assert "fork" in "".join(piece.text for piece in said)


@on_docker
async def test_a_build_runs_in_the_network_it_was_given_and_no_other(bench: Bench) -> None:
    request = await a_request(bench)
    dockerfile = f"ARG IMAGE\nFROM $IMAGE\nRUN echo begun; exec sleep 1000 # {request.tag}\n"
    output = bench.engine.build_image(request, a_tar({"Dockerfile": dockerfile.encode()}))
    async with aclosing(output):
        while "begun" not in (await anext(output)).text.splitlines():
            pass
        (step,) = [c for c in sdk().containers(all=True) if request.tag in c["Command"]]
        assert list(step["NetworkSettings"]["Networks"]) == [request.network]


@on_docker
async def test_a_build_whose_steps_can_no_longer_be_bounded_breaks_off(bench: Bench) -> None:
    request = await a_request(bench)
    dockerfile = f"ARG IMAGE\nFROM $IMAGE\nRUN echo begun; exec sleep 1000 # {request.tag}\n"
    async with an_engine_proxy() as proxy, await DockerEngine.open(proxy.address) as engine:
        output = engine.build_image(request, a_tar({"Dockerfile": dockerfile.encode()}))
        async with aclosing(output):
            while "begun" not in (await anext(output)).text.splitlines():
                pass
            proxy.cut(b"/events")
            with pytest.raises(EngineOutcomeUnknown):
                await anext(output)
    await until(lambda: step_states(request.tag) == [], seconds=2)


@on_docker
async def test_a_build_that_fails_says_why_and_leaves_no_container(bench: Bench) -> None:
    request = await a_request(bench)
    for text, reason in {
        f"ARG IMAGE\nFROM $IMAGE\nRUN exit 9 # {request.tag}\n": "returned a non-zero code: 9",
        "FROM scratch\nNONSENSE\n": "NONSENSE",
        "FROM eulermaker/no-such:1\n": "eulermaker/no-such",
    }.items():
        context = a_tar({"Dockerfile": text.encode()})
        *_, last = [piece async for piece in bench.engine.build_image(request, context)]
        assert last.error
        assert reason in last.error or "no such host" in last.error
    assert step_states(request.tag) == []


@on_docker
async def test_an_upload_that_breaks_off_raises_what_broke_it(bench: Bench) -> None:
    name = await bench.created()
    with pytest.raises(BlobMissing):
        await bench.engine.put_files(name, "/srv", breaks_off())
    request = await a_request(bench)
    with pytest.raises(BlobMissing):
        async for _ in bench.engine.build_image(request, breaks_off()):
            pass


async def breaks_off() -> AsyncIterator[bytes]:
    yield bytes(1024)
    raise BlobMissing("sha256:00")
