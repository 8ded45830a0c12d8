"""Somebody at the engine may start a container too: such a start is never taken for ours."""

from typing import Any

import pytest

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.errors import EngineOutcomeUnknown
from domain.event import Command, Event
from domain.ports import EngineContainer
from domain.processes import naming
from tests.support.installation import Installation, names, run

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM = "container-a"
NAME = naming.container_name("a", 1)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_delay(_: int) -> float:
        return 0.0

    monkeypatch.setattr("api.workers.executor.backoff", no_delay)


async def _started_by_us_and_then_by_somebody(at: Installation) -> None:
    """And both runs have been seen to end."""
    await at.send(c.RequestContainer(container_id="a", spec=SPEC))
    await at.recorded(STREAM, e.ContainerStarted)
    at.engine.end(NAME, 0)
    await at.recorded(STREAM, e.ContainerExited)
    await at.engine.start(NAME)
    await at.recorded(STREAM, e.ContainerStateObserved)
    at.engine.end(NAME, 0)
    await at.recorded(STREAM, e.ContainerExited, times=2)


async def _seen(at: Installation) -> EngineContainer:
    found = await at.engine.inspect(NAME)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("again", "call", "outcome"),
    [
        (c.StartContainer(container_id="a"), "start", e.ContainerStarted),
        (c.RestartContainer(container_id="a"), "stop", e.ContainerRestarted),
    ],
)
def test_a_start_that_was_never_made_is_made_although_somebody_made_another_before(
    again: Command, call: str, outcome: type[Event]
) -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _started_by_us_and_then_by_somebody(at)
            at.engine.fail_next(call, EngineOutcomeUnknown("a failure of the engine"))
            await at.send(again)
            times = 2 if outcome is e.ContainerStarted else 1
            *_, last = await at.recorded(STREAM, outcome, times=times)
        found = await _seen(at)
        assert isinstance(last, e.ContainerStarted | e.ContainerRestarted)
        assert (found.status, found.started_at) == ("running", last.started_at)

    run(body)


def test_a_short_run_of_ours_that_was_seen_to_end_before_it_was_recorded_is_ours() -> None:
    async def body(at: Installation) -> None:
        retry = at.effects.retry

        async def retry_late(*args: Any, **how: Any) -> None:
            await at.recorded(STREAM, e.ContainerExited, times=3)
            await retry(*args, **how)

        async with at.at_work():
            await _started_by_us_and_then_by_somebody(at)
            before = len(at.calls("start"))
            at.effects.retry = retry_late  # type: ignore[method-assign] # as a power cut would
            _ends_at_once(at)
            await at.send(c.StartContainer(container_id="a"))
            events = await at.recorded(STREAM, e.ContainerStarted, times=2)
        assert names(events, "Container")[-3:] == ["StartRequested", "Exited", "Started"]
        assert len(at.calls("start")) == before + 1

    run(body)


def _ends_at_once(at: Installation) -> None:
    """The next run, whose start is not answered."""
    start = at.engine.start

    async def start_and_end(name: str) -> EngineContainer:
        at.engine.start = start  # type: ignore[method-assign]
        await start(name)
        at.engine.end(name, 0)
        raise EngineOutcomeUnknown("no answer")

    at.engine.start = start_and_end  # type: ignore[method-assign]
