"""What is said of a call whose answer did not come: not done, or nobody knows."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from adapters.docker import DockerEngine, EngineAddress, control
from adapters.docker.address import Endpoint
from adapters.docker.containers import Containers
from adapters.docker.control import ControlClient
from adapters.docker.errors import Reply
from domain.errors import EngineOutcomeUnknown, EngineRefused, EngineUnavailable
from tests.support.container_engines import Bench, on_docker
from tests.support.docker import new_name
from tests.support.engine_proxy import ENGINE_SOCKET, EngineProxy, an_engine_proxy, until


def test_without_a_socket_nothing_was_done(tmp_path: Path) -> None:
    asyncio.run(assert_unavailable(f"unix://{tmp_path}/none.sock"))


def test_a_refused_connection_means_nothing_was_done() -> None:
    asyncio.run(assert_unavailable("tcp://127.0.0.1:9"))


async def assert_unavailable(docker_host: str) -> None:
    async with await DockerEngine.open(EngineAddress(docker_host=docker_host)) as engine:
        with pytest.raises(EngineUnavailable):
            await engine.remove("em-none", force=True)
        with pytest.raises(EngineUnavailable):
            await anext(engine.logs("em-none", follow=True))


def test_an_address_nobody_understands_is_refused() -> None:
    async def body() -> None:
        with pytest.raises(EngineRefused, match="ftp://engine"):
            await DockerEngine.open(EngineAddress(docker_host="ftp://engine"))

    asyncio.run(body())


@on_docker
async def test_a_lost_answer_is_unknown_and_asking_again_adopts(bench: Bench) -> None:
    async with an_engine_proxy() as proxy, await DockerEngine.open(proxy.address) as engine:
        await engine.identity()
        proxy.loses = b"/containers/create"
        spec = bench.spec()
        with pytest.raises(EngineOutcomeUnknown):
            await engine.create(spec)
        assert (await engine.create(spec)).name == spec.name
        assert await bench.status(spec.name) == "created"


class BlindControl(ControlClient):
    """Acts, and then finds the engine gone when it looks."""

    async def call(self, method: str, path: str, **how: Any) -> Reply:
        if path.endswith("/json"):
            raise EngineUnavailable("gone")
        return await super().call(method, path, **how)


@on_docker
async def test_a_look_that_fails_after_the_deed_does_not_deny_the_deed(bench: Bench) -> None:
    name = await bench.created()
    calls = BlindControl(Endpoint(socket=ENGINE_SOCKET))
    with pytest.raises(EngineOutcomeUnknown):
        await Containers(calls, log_bytes=1).start(name)
    await calls.close()
    assert await bench.status(name) == "running"


def test_silence_is_unknown_and_frees_the_caller_in_time() -> None:
    async def body() -> None:
        async with an_engine_proxy() as proxy:
            calls = client(proxy)
            await calls.call("GET", "/_ping")
            proxy.mutes = b"/info"
            with pytest.raises(EngineOutcomeUnknown):
                await calls.call("GET", "/info", timeout_seconds=0.2)
            await calls.close()

    asyncio.run(body())


def test_a_call_that_found_no_thread_in_time_is_never_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control, "GRACE_SECONDS", 0)

    async def body() -> None:
        async with an_engine_proxy() as proxy:
            calls = client(proxy, threads=1)
            await calls.call("GET", "/_ping")
            proxy.mutes = b"/info"
            slow = asyncio.create_task(calls.call("GET", "/info", timeout_seconds=3))
            await until(lambda: proxy.asked(b"/info") == 1)
            with pytest.raises(EngineUnavailable):
                await calls.call("GET", "/networks", timeout_seconds=0.1)
            with pytest.raises(EngineOutcomeUnknown):
                await slow
            await calls.call("GET", "/_ping")
            await calls.close()
            assert proxy.asked(b"/networks") == 0

    asyncio.run(body())


def test_a_call_whose_caller_gave_up_during_negotiation_is_never_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control, "GRACE_SECONDS", 0)

    async def body() -> None:
        async with an_engine_proxy() as proxy:
            calls = client(proxy)
            proxy.gate.clear()
            with pytest.raises(EngineUnavailable):
                await calls.call("GET", "/networks", timeout_seconds=0.2)
            proxy.gate.set()
            await calls.call("GET", "/_ping")
            await calls.close()
            assert proxy.asked(b"/networks") == 0

    asyncio.run(body())


def test_no_thread_outlives_the_engine() -> None:
    async def body() -> None:
        async with await DockerEngine.open(EngineAddress()) as engine:
            await engine.identity()

    asyncio.run(body())
    assert not [each for each in threading.enumerate() if each.name.startswith("engine")]


@on_docker
async def test_a_name_that_could_be_an_id_reaches_no_other_container(bench: Bench) -> None:
    victim = await bench.state(await bench.created())
    with pytest.raises(EngineRefused):
        await bench.engine.remove(victim.engine_id[:4], force=True)
    with pytest.raises(EngineRefused):
        await bench.engine.inspect("../images/json")
    assert await bench.engine.inspect(victim.name) == victim
    assert await bench.engine.inspect(new_name()) is None


def client(proxy: EngineProxy, threads: int = 2) -> ControlClient:
    return ControlClient(Endpoint(socket=str(proxy.path)), threads=threads)
