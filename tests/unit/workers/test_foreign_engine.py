"""Nothing is done to another engine than the bound one, and nothing believed that it shows."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from adapters.memory.container_engine import InMemoryContainerEngine, Program
from api.workers.engine_binding import EngineBinding
from api.workers.guarded_engine import GuardedEngine
from api.workers.observations import Reporter
from domain.builds import events as b
from domain.builds import recipe
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.engines.commands import RebindEngine
from domain.engines.events import (
    BoundEngineMetAgain,
    EngineBound,
    EngineObserved,
    EngineRebound,
    ForeignEngineMet,
)
from domain.errors import EngineOutcomeUnknown, EngineUnavailable
from domain.ports import ClaimedEffect, EngineIdentity, EngineListing
from tests.support.installation import Installation, names, run
from tests.support.waiting import until
from tests.unit.workers.test_pipeline import an_rpm, script, submit

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM, NAME = "container-a", "em-a-1"
BINDING = "binding-engine"
ROUNDS = 6

# mypy: disable-error-code="method-assign"


async def _running(at: Installation) -> None:
    await at.send(c.RequestContainer(container_id="a", spec=SPEC))
    await at.recorded(STREAM, e.ContainerStarted)


def _exchange(at: Installation) -> InMemoryContainerEngine:
    """From now on DOCKER_HOST leads elsewhere, and the workers are started anew."""
    before, at.engine = at.engine, InMemoryContainerEngine(images=("base:1", "alpine:3"))
    at.engine.engine_id = "other"
    at.wire()
    return before


def _guarded(at: Installation) -> GuardedEngine:
    binding = EngineBinding(
        engine=at.engine,
        handler=at.handler,
        reporter=Reporter(at.handler, at.clock),
        registry=CollectorRegistry(),
    )
    return GuardedEngine(at.engine, binding.call)


def test_the_first_engine_is_bound() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
        (bound,) = await at.events(BINDING)
        assert isinstance(bound, EngineBound)
        assert bound.engine_id == "memory"

    run(body)


def test_on_a_foreign_engine_no_effect_is_begun_and_nothing_disappears() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
        _exchange(at)
        await at.send(c.StopContainer(container_id="a"))
        async with at.at_work():
            await until(lambda: len(at.engine.calls) >= ROUNDS)
            assert at.effects.attempts() == [0]
        assert {call for call, _ in at.engine.calls} == {"identity"}
        assert names(await at.events(BINDING), "") == ["EngineBound", "ForeignEngineMet"]
        assert names(await at.events(STREAM), "Container")[-1] == "StopRequested"

    run(body)


def test_an_engine_that_is_exchanged_while_we_work_gets_no_further_call() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            at.engine.fail_next("stop", EngineUnavailable("away"))
            at.engine.engine_id = "other"
            await at.send(c.StopContainer(container_id="a"))
            await at.recorded(BINDING, ForeignEngineMet)
            assert len(at.calls("stop")) == 1
            at.engine.engine_id = "memory"
            await at.recorded(BINDING, BoundEngineMetAgain)
            await at.recorded(STREAM, e.ContainerStopped)
        assert len(at.calls("stop")) == 2

    run(body)


def test_once_a_foreign_engine_has_answered_nothing_more_is_claimed() -> None:
    async def body(at: Installation) -> None:
        claim = at.effects.claim
        claims = 0

        async def count(owner: str, *, limit: int, lease_seconds: float) -> Sequence[ClaimedEffect]:
            nonlocal claims
            claims += 1
            return await claim(owner, limit=limit, lease_seconds=lease_seconds)

        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            at.engine.fail_next("stop", EngineUnavailable("away"))
            at.engine.engine_id = "other"
            await at.send(c.StopContainer(container_id="a"))
            await at.recorded(BINDING, ForeignEngineMet)
            await until(lambda: not at.effects.is_held())
            asked = len(at.calls("identity"))
            at.effects.claim = count
            await until(lambda: len(at.calls("identity")) > asked + 2)
        assert claims <= 1  # one may have been on its way

    run(body)


def test_what_a_list_lacks_is_believed_only_of_the_engine_that_is_bound_after_it() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)

        async def exchanged_meanwhile(labels: dict[str, str]) -> EngineListing:
            at.engine.engine_id = "other"
            at.engine.disappear(NAME)
            return EngineListing(containers=())

        at.engine.list = exchanged_meanwhile
        at.wire()
        async with at.at_work():
            await at.recorded(BINDING, ForeignEngineMet)
            calls = len(at.engine.calls)
            await until(lambda: len(at.engine.calls) >= calls + ROUNDS)
        assert "Disappeared" not in names(await at.events(STREAM), "Container")

    run(body)


def test_a_worker_on_a_foreign_engine_leaves_the_work_to_one_on_the_bound_engine() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
        ours = _exchange(at)
        astray, at.engine = at.executor, ours
        at.wire()
        async with at.at_work(at.process_manager, astray):
            await at.recorded(BINDING, ForeignEngineMet)
            async with at.at_work(at.executor):
                await at.send(c.StopContainer(container_id="a"))
                await at.recorded(STREAM, e.ContainerStopped)
        assert at.calls("stop") == [NAME]

    run(body)


def test_after_rebinding_what_the_old_engine_had_is_gone_and_builds_are_tried_again() -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        at.engine.programs[recipe.rpmbuild_command(spec)[1:]] = Program()  # until it is ended
        async with at.at_work():
            await _running(at)
            await submit(at, spec)
            await at.recorded("build-b", b.BuildStepStarted, times=4)
        _exchange(at)
        async with at.at_work():
            await at.recorded(BINDING, ForeignEngineMet)
            await at.send(RebindEngine(engine_id="other"))
            await at.recorded(STREAM, e.ContainerDisappeared)
            *_, errored = await at.recorded("build-b", b.BuildErrored)
            await at.recorded("engine-other", EngineObserved)
            *_, rebound = await at.recorded(BINDING, EngineRebound)
        assert isinstance(errored, b.BuildErrored)
        assert errored.retryable
        assert isinstance(rebound, EngineRebound)
        assert (rebound.engine_id, rebound.previous_engine_id) == ("other", "memory")

    run(body)


def test_a_build_whose_finished_step_stayed_on_the_old_engine_is_tried_again() -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        at.engine.programs[recipe.toolchain_script(),] = Program()  # until it is ended
        async with at.at_work(at.process_manager, at.reconciler):
            async with at.at_work(at.executor):
                await submit(at, spec)
                await at.recorded("build-b", b.BuildStepStarted)
            at.engine.end("em-b-1-toolchain-1", 0)
            await at.recorded("build-b", b.BuildStepFinished)
        at.engine.disappear("em-b-1-toolchain-1")
        async with at.at_work(at.process_manager, at.executor):
            *_, errored = await at.recorded("build-b", b.BuildErrored)
        assert isinstance(errored, b.BuildErrored)
        assert errored.retryable

    run(body)


def test_many_calls_ask_an_engine_that_does_not_answer_but_once() -> None:
    async def body(at: Installation) -> None:
        answers = asyncio.Event()
        asked = 0

        async def hang() -> EngineIdentity:
            nonlocal asked
            asked += 1
            await answers.wait()
            raise EngineOutcomeUnknown("no answer")

        at.engine.identity = hang
        engine = _guarded(at)
        calls = [asyncio.create_task(engine.inspect(NAME)) for _ in range(ROUNDS)]
        await until(lambda: asked == 1)
        answers.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in found} == {EngineUnavailable}
        assert asked == 1
        assert at.calls("inspect") == []

    run(body)


@pytest.mark.parametrize("first_goes_wrong", [False, True])
def test_many_calls_take_one_answer_however_late_it_comes_unless_a_call_went_wrong_since(
    monkeypatch: pytest.MonkeyPatch,
    first_goes_wrong: bool,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setattr("api.workers.engine_binding.CERTAIN_SECONDS", 0.0)

    async def body(at: Installation) -> None:
        answers, really = asyncio.Event(), at.engine.identity

        async def late() -> EngineIdentity:
            identity = await really()
            await answers.wait()
            return identity

        at.engine.identity = late
        if first_goes_wrong:
            at.engine.fail_next("inspect", EngineUnavailable("away"))
        engine = _guarded(at)
        calls = [asyncio.create_task(engine.inspect(NAME)) for _ in range(ROUNDS)]
        await until(lambda: len(at.calls("identity")) == 1)
        answers.set()
        await asyncio.gather(*calls, return_exceptions=True)
        assert len(at.calls("inspect")) == ROUNDS
        assert len(at.calls("identity")) == (2 if first_goes_wrong else 1)

    run(body)
