"""Effects are carried out in order and once, whatever the engine answers or fails to answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from adapters.docker.archives import TRANSFER_SECONDS
from adapters.docker.containers import START_SECONDS
from adapters.docker.images import COMMIT_SECONDS, PULL_SECONDS
from adapters.memory.container_engine import Program
from api.workers.executor import EFFECT_SECONDS
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.containers.state import Container, Status
from domain.errors import EngineOutcomeUnknown, EngineUnavailable
from domain.ports import ClaimedEffect, EngineContainer, EngineContainerSpec
from domain.processes import naming
from tests.support.installation import Installation, names, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM = "container-a"


def _request(container_id: str = "a") -> c.RequestContainer:
    spec = msgspec.structs.replace(SPEC, name=f"web-{container_id}")
    return c.RequestContainer(container_id=container_id, spec=spec)


async def _container(at: Installation) -> Container:
    state = await at.state(STREAM)
    assert isinstance(state, Container)
    return state


@pytest.mark.parametrize("call", ["create", "start"])
@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("error", [EngineOutcomeUnknown("no answer"), EngineUnavailable("away")])
def test_a_call_whose_answer_is_lost_takes_effect_once(
    call: str, error: EngineOutcomeUnknown | EngineUnavailable, *, after_effect: bool
) -> None:
    if isinstance(error, EngineUnavailable) and after_effect:
        return  # it is certain that nothing was done

    async def body(at: Installation) -> None:
        at.engine.fail_next(call, error, after_effect=after_effect)
        async with at.at_work(at.process_manager, at.executor):
            await at.send(_request())
            events = await at.recorded(STREAM, e.ContainerStarted)
        assert names(events, "Container") == ["Requested", "StartRequested", "Created", "Started"]
        (container,) = (await at.engine.list({})).containers
        assert container.status == "running"
        if call == "start" and after_effect:
            assert len(at.calls("start")) == 1

    run(body)


def test_a_signal_that_may_have_been_sent_is_not_sent_again_and_stays_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def at_once(_: int) -> float:
        return 0.0

    monkeypatch.setattr("api.workers.executor.backoff", at_once)

    async def body(at: Installation) -> None:
        at.engine.programs["serve",] = Program(ignores=frozenset({"HUP"}))
        async with at.at_work(at.process_manager, at.executor):
            await at.send(_request())
            await at.recorded(STREAM, e.ContainerStarted)
            at.engine.fail_next("kill", EngineOutcomeUnknown("no answer"), after_effect=True)
            await at.send(c.KillContainer(container_id="a", signal="HUP"))
            *_, last = await at.recorded(STREAM, e.ContainerOperationOutcomeUnknown)
        assert isinstance(last, e.ContainerOperationOutcomeUnknown)
        assert last.operation == "kill"
        assert len(at.calls("kill")) == 1
        assert (await _container(at)).status is Status.RUNNING

    run(body)


def test_a_signal_that_was_certainly_not_sent_is_sent_when_the_engine_is_back() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await at.send(_request())
            await at.recorded(STREAM, e.ContainerStarted)
            at.engine.fail_next("kill", EngineUnavailable("away"))
            await at.send(c.KillContainer(container_id="a", signal="TERM"))
            await at.recorded(STREAM, e.ContainerKilled)
        assert len(at.calls("kill")) == 2

    run(body)


def test_an_effect_whose_outcome_is_recorded_is_never_done_again() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await at.send(_request())
            await at.recorded(STREAM, e.ContainerStarted)

            finish = at.effects.finish

            async def die(owner: str, effect_id: str) -> None:
                raise ConnectionError("the process ends here")

            at.effects.finish = die  # type: ignore[method-assign] # as a power cut would
            await at.send(c.RestartContainer(container_id="a"))
            await at.recorded(STREAM, e.ContainerRestarted)
            at.effects.finish = finish  # type: ignore[method-assign]
            await until(at.effects.is_empty)
        assert (len(at.calls("stop")), len(at.calls("start"))) == (1, 2)
        assert names(await at.events(STREAM), "").count("ContainerRestarted") == 1

    run(body)


def test_a_stop_does_not_wait_for_what_came_before_it() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager):
            await at.send(_request())
            await at.send(c.StopContainer(container_id="a"))
            await until(lambda: at.process_manager.position == 3)
        async with at.at_work(at.executor):
            events = await at.recorded(STREAM, e.ContainerOperationSuperseded, times=2)
            events = await at.recorded(STREAM, e.ContainerOperationFailed)
        assert names(events, "Container")[3:] == [
            "OperationSuperseded",
            "OperationSuperseded",
            "OperationFailed",
        ]
        assert at.calls("create") == at.calls("start") == []
        assert (await _container(at)).status is Status.FAILED

    run(body)


def test_who_is_giving_an_effect_back_is_not_interrupted() -> None:
    """Else it would wait until its lease has run out."""

    async def body(at: Installation) -> None:
        really_retry, really_claim = at.effects.retry, at.effects.claim
        giving_back, looked_again = asyncio.Event(), asyncio.Event()

        async def retry(owner: str, effect_id: str, **how: Any) -> None:
            giving_back.set()
            await looked_again.wait()
            await really_retry(owner, effect_id, **how)

        async def claim(owner: str, **how: Any) -> Sequence[ClaimedEffect]:
            if await at.effects.interrupted(owner):  # after it has interrupted what it would
                looked_again.set()
            return await really_claim(owner, **how)

        at.effects.retry, at.effects.claim = retry, claim  # type: ignore[method-assign]
        at.engine.fail_next("start", EngineOutcomeUnknown("no answer"))
        async with at.at_work(at.process_manager, at.executor):
            await at.send(_request())
            await giving_back.wait()
            await at.send(c.StopContainer(container_id="a"))
            await at.recorded(STREAM, e.ContainerStopped)

    run(body)


def test_many_containers_are_started_at_once_each_in_its_order() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            for number in range(30):
                await at.send(_request(f"n{number}"))
            for number in range(30):
                await at.recorded(f"container-n{number}", e.ContainerStarted)
        assert len(set(at.calls("start"))) == len(at.calls("start")) == 30
        order = [call for call in at.engine.calls if call[0] in {"create", "start"}]
        for number in range(30):
            own = [method for method, name in order if name == f"em-n{number}-1"]
            assert own == ["create", "start"]

    run(body)


def test_who_loses_the_lock_stops_and_goes_on_when_it_has_it_again() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await at.send(_request())
            await at.recorded(STREAM, e.ContainerStarted)
            at.lock.lost = True
            at.effects.written.set()
            await until(lambda: not at.lock.lost)
            await at.send(c.StopContainer(container_id="a"))
            await at.recorded(STREAM, e.ContainerStopped)
        assert len(at.calls("stop")) == 1

    run(body)


def test_of_two_process_managers_each_effect_is_written_once() -> None:
    async def body(at: Installation) -> None:
        other = at.a_process_manager()
        async with at.at_work(at.process_manager, other, at.executor):
            for number in range(20):
                await at.send(_request(f"n{number}"))
                await at.recorded(f"container-n{number}", e.ContainerStarted)
        assert len(at.calls("start")) == 20

    run(body)


def test_slow_effects_give_their_places_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.workers.executor.MAX_AT_ONCE", 2)
    monkeypatch.setattr("api.workers.executor.SLOW_SECONDS", 0.05)
    monkeypatch.setattr("api.workers.executor.POLL_SECONDS", 0.05)

    async def body(at: Installation) -> None:
        create, never = at.engine.create, asyncio.Event()

        async def hang(spec: EngineContainerSpec) -> EngineContainer:
            if spec.labels[naming.AGGREGATE] != STREAM:
                await never.wait()
            return await create(spec)

        at.engine.create = hang  # type: ignore[method-assign]
        async with at.at_work(at.process_manager, at.executor):
            for container_id in ("b", "c", "d"):
                await at.send(_request(container_id))
            await at.send(_request())
            await at.recorded(STREAM, e.ContainerStarted)

    run(body)


def test_a_call_that_takes_too_long_ends_before_its_effect_and_says_what_it_was() -> None:
    for longest in (PULL_SECONDS, TRANSFER_SECONDS, COMMIT_SECONDS):
        assert longest + 2 * START_SECONDS < EFFECT_SECONDS  # what the same effect does besides
