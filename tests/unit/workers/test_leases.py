"""An executor acts only while its lease lasts and it holds its lock: after that, others may."""

import asyncio
from collections.abc import Sequence

from api.workers.lease import Lease
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.ports import EngineContainer, EngineContainerSpec, EngineImage
from tests.support.installation import Installation, names, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM = "container-a"
LONG_AGO = 3600.0
SHORT_SECONDS = 0.3

# mypy: disable-error-code="method-assign"


async def _request(at: Installation) -> None:
    await at.send(c.RequestContainer(container_id="a", spec=SPEC))


def _run_out(at: Installation) -> None:
    at.lease.renew(asyncio.get_running_loop().time() - LONG_AGO)


def test_a_lease_that_runs_out_between_two_calls_stops_the_effect_before_the_next() -> None:
    async def body(at: Installation) -> None:
        find_image = at.engine.find_image

        async def find_slowly(reference: str) -> EngineImage | None:
            at.engine.find_image = find_image
            found = await find_image(reference)
            _run_out(at)
            return found

        at.engine.find_image = find_slowly
        async with at.at_work(at.process_manager, at.executor):
            await _request(at)
            await until(lambda: at.effects.attempts() == [1, 0] and not at.effects.is_held())
            assert at.calls("create") == []
            at.lease.renew(asyncio.get_running_loop().time())
            await at.recorded(STREAM, e.ContainerStarted)
        assert len(at.calls("create")) == len(at.calls("start")) == 1

    run(body)


def test_nothing_is_claimed_without_a_lease() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await until(lambda: not at.lease.is_over)
            _run_out(at)
            await _request(at)
            for _ in range(3):
                at.effects.written.set()
                await until(lambda: not at.effects.written.is_set())
            assert at.effects.attempts() == [0, 0]

    run(body)


def test_a_call_that_outlasts_the_lease_is_cut_off_and_then_looked_for() -> None:
    async def body(at: Installation) -> None:
        start, extend = at.engine.start, at.effects.extend
        told = asyncio.Event()

        async def hang(name: str) -> EngineContainer:
            at.engine.start = start
            await start(name)
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        async def wait(owner: str, effect_ids: Sequence[str], *, lease_seconds: float) -> None:
            await told.wait()
            await extend(owner, effect_ids, lease_seconds=lease_seconds)

        at.engine.start, at.effects.extend = hang, wait
        async with at.at_work(at.process_manager, at.executor):
            await _request(at)
            await until(lambda: at.calls("start") != [] and not at.effects.is_held())
            told.set()
            events = await at.recorded(STREAM, e.ContainerStarted)
        assert names(events, "Container") == ["Requested", "StartRequested", "Created", "Started"]
        assert len(at.calls("start")) == 1

    run(body, lease=Lease(SHORT_SECONDS))


def test_a_call_may_last_for_as_long_as_the_lease_is_extended() -> None:
    async def body(at: Installation) -> None:
        start, extend = at.engine.start, at.effects.extend
        begun = extended = 0

        async def start_slowly(name: str) -> EngineContainer:
            nonlocal begun
            begun += 1
            await until(lambda: extended > 4)
            return await start(name)

        async def count(owner: str, effect_ids: Sequence[str], *, lease_seconds: float) -> None:
            nonlocal extended
            await extend(owner, effect_ids, lease_seconds=lease_seconds)
            extended += 1

        at.engine.start, at.effects.extend = start_slowly, count
        async with at.at_work(at.process_manager, at.executor):
            await _request(at)
            await at.recorded(STREAM, e.ContainerStarted)
        assert begun == 1

    run(body, lease=Lease(SHORT_SECONDS))


def test_who_has_lost_the_lock_makes_no_further_call_even_before_noticing() -> None:
    async def body(at: Installation) -> None:
        find_image, create = at.engine.find_image, at.engine.create
        made_when_lost: list[bool] = []

        async def lose(reference: str) -> EngineImage | None:
            at.engine.find_image = find_image
            at.lock.lost = True
            return await find_image(reference)

        async def watched(spec: EngineContainerSpec) -> EngineContainer:
            made_when_lost.append(at.lock.lost)
            return await create(spec)

        at.engine.find_image, at.engine.create = lose, watched
        async with at.at_work(at.process_manager, at.executor):
            await _request(at)
            await at.recorded(STREAM, e.ContainerStarted)
        assert made_when_lost == [False]

    run(body)


def test_an_effect_under_way_is_not_begun_again_by_a_clock_that_jumps() -> None:
    async def body(at: Installation) -> None:
        start = at.engine.start
        looked_again = asyncio.Event()

        async def hang(name: str) -> EngineContainer:
            at.effects_ahead_seconds = LONG_AGO
            at.effects.written.set()
            await looked_again.wait()
            return await start(name)

        at.engine.start = hang
        async with at.at_work(at.process_manager, at.executor):
            await _request(at)
            await until(lambda: at.effects.attempts() == [2])
            looked_again.set()
            await at.recorded(STREAM, e.ContainerStarted)
            await until(at.effects.is_empty)
        assert len(at.calls("start")) == 1

    run(body)
