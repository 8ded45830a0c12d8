"""A restart is a stop and a start of ours: what is asked for meanwhile has the last word."""

import asyncio

import pytest

from adapters.memory.container_engine import Program
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.errors import EngineOutcomeUnknown
from domain.event import Command, Event
from domain.ports import EngineContainer
from domain.processes import naming
from tests.support.installation import Installation, names, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM = "container-a"
NAME = naming.container_name("a", 1)
RESTART = c.RestartContainer(container_id="a", grace_seconds=60)

# mypy: disable-error-code="method-assign"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_delay(_: int) -> float:
        return 0.0

    monkeypatch.setattr("api.workers.executor.backoff", no_delay)


async def _running(at: Installation) -> None:
    at.engine.programs["serve",] = Program(ignores=frozenset({"TERM"}))
    await at.send(c.RequestContainer(container_id="a", spec=SPEC))
    await at.recorded(STREAM, e.ContainerStarted)


async def _seen(at: Installation) -> EngineContainer:
    found = await at.engine.inspect(NAME)
    assert found is not None
    return found


def _waits_for_the_grace(at: Installation) -> asyncio.Event:
    """The next stop, of which this is told, hangs; the one after it does not."""
    stop, asked = at.engine.stop, asyncio.Event()

    async def hang(name: str, *, grace_seconds: int) -> EngineContainer:
        at.engine.stop = stop
        asked.set()
        await asyncio.Event().wait()
        return await stop(name, grace_seconds=grace_seconds)

    at.engine.stop = hang
    return asked


@pytest.mark.parametrize(
    ("later", "outcome"),
    [
        (c.KillContainer(container_id="a"), e.ContainerKilled),
        (c.StopContainer(container_id="a"), e.ContainerStopped),
    ],
)
def test_what_ends_a_container_during_its_restart_is_not_undone_by_it(
    later: Command, outcome: type[Event]
) -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            asked = _waits_for_the_grace(at)
            await at.send(RESTART)
            await asked.wait()
            await at.send(later)
            events = await at.recorded(STREAM, outcome)
            await until(at.effects.is_empty)
        assert (await _seen(at)).status == "exited"
        assert len(at.calls("start")) == 1
        assert "Restarted" not in names(events, "Container")

    run(body)


def test_a_lease_that_runs_out_during_the_stop_leaves_the_start_to_the_next_attempt() -> None:
    async def body(at: Installation) -> None:
        stop = at.engine.stop

        async def stop_slowly(name: str, *, grace_seconds: int) -> EngineContainer:
            at.engine.stop = stop
            stopped = await stop(name, grace_seconds=grace_seconds)
            at.lease.renew(-3600.0)
            return stopped

        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            at.engine.stop = stop_slowly
            await at.send(RESTART)
            await until(lambda: at.effects.attempts() == [1] and not at.effects.is_held())
            assert (await _seen(at)).status == "exited"
            at.lease.renew(asyncio.get_running_loop().time())
            await at.recorded(STREAM, e.ContainerRestarted)
        assert len(at.calls("start")) == 2

    run(body)


@pytest.mark.parametrize("call", ["stop", "start"])
@pytest.mark.parametrize("after_effect", [False, True])
def test_a_restart_of_which_an_answer_is_lost_happens_once(
    call: str, *, after_effect: bool
) -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            before = await _seen(at)
            at.engine.fail_next(call, EngineOutcomeUnknown("no answer"), after_effect=after_effect)
            await at.send(RESTART)
            *_, last = await at.recorded(STREAM, e.ContainerRestarted)
        now = await _seen(at)
        assert isinstance(last, e.ContainerRestarted)
        assert (now.status, now.started_at) == ("running", last.started_at)
        assert now.started_at != before.started_at
        made = 3 if call == "start" and not after_effect else 2
        assert len(at.calls("start")) == made

    run(body)


@pytest.mark.parametrize("becomes", ["exited", "paused"])
def test_a_container_that_does_not_run_is_started_by_a_restart(becomes: str) -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            if becomes == "paused":
                await at.engine.pause(NAME)
            else:
                at.engine.end(NAME, 0)
            await at.send(RESTART)
            await at.recorded(STREAM, e.ContainerRestarted)
        assert (await _seen(at)).status == "running"

    run(body)
