"""A container's log is closed when the container is gone, and not before."""

import asyncio
from datetime import datetime

import pytest

from adapters.memory.container_engine import Program
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.event import DEFAULT_TENANT, Event
from domain.ports import LogFrame
from domain.processes.naming import container_log
from tests.support.installation import Installation, run

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM, NAME, SUBJECT = "container-a", "em-a-1", container_log("a", 1)
SAID = LogFrame(stream="stdout", data=b"hello\n")


async def _end_of_log(at: Installation) -> tuple[int, bool]:
    end = await at.logs.end(DEFAULT_TENANT, SUBJECT)
    return end.next_offset, end.closed


async def _until_log_is(at: Installation, size: int, *, closed: bool) -> None:
    while await _end_of_log(at) != (size, closed):  # noqa: ASYNC110 - it gives no signal
        await asyncio.sleep(0.005)


async def _talking(at: Installation) -> None:
    await at.send(c.RequestContainer(container_id="a", spec=SPEC))
    await at.recorded(STREAM, e.ContainerStarted)
    at.engine.write(NAME, SAID)
    await _until_log_is(at, len(SAID.data), closed=False)


def test_the_log_of_a_removed_container_is_closed() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _talking(at)
            await at.send(c.RemoveContainer(container_id="a", force=True))
            await at.recorded(STREAM, e.ContainerRemoved)
            async with asyncio.timeout(2):  # long before anybody looks at everything
                await _until_log_is(at, len(SAID.data), closed=True)

    run(body)


def test_the_log_of_a_container_that_disappeared_is_closed() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _talking(at)
            at.engine.disappear(NAME)
            await at.recorded(STREAM, e.ContainerDisappeared)
            await _until_log_is(at, len(SAID.data), closed=True)

    run(body)


def test_the_log_of_a_removed_container_is_closed_although_its_stream_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.workers.whole_log.SILENCE_SECONDS", 0.1)

    async def body(at: Installation) -> None:
        at.engine.programs["serve",] = Program(log_hangs=True)
        async with at.at_work():
            await _talking(at)
            await at.send(c.RemoveContainer(container_id="a", force=True))
            await at.recorded(STREAM, e.ContainerRemoved)
            async with asyncio.timeout(2):
                await _until_log_is(at, len(SAID.data), closed=True)

    run(body)


def test_the_log_of_a_stopped_container_stays_open_for_its_next_start() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _talking(at)
            await at.send(c.StopContainer(container_id="a"))
            await at.recorded(STREAM, e.ContainerStopped)
            await at.send(c.StartContainer(container_id="a"))
            await at.recorded(STREAM, e.ContainerStarted, times=2)
            at.engine.write(NAME, SAID)
            await _until_log_is(at, 2 * len(SAID.data), closed=False)

    run(body)


def _says_nothing(_name: str, _action: str) -> None:
    """An engine whose events are lost."""


def test_a_log_is_complete_once_the_end_of_its_run_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body(at: Installation) -> None:
        really_mark, marked = at.logs.mark_complete, asyncio.Event()
        known: list[Event] = []

        async def mark(tenant: str, subject: str, *, until: datetime) -> None:
            known.extend(await at.events(STREAM))
            await really_mark(tenant, subject, until=until)
            marked.set()

        at.logs.mark_complete = mark  # type: ignore[method-assign]
        async with at.at_work():
            await _talking(at)
            monkeypatch.setattr(at.engine, "_tell", _says_nothing)  # the log alone tells
            at.engine.end(NAME, 3)
            await marked.wait()
        (exited,) = [event for event in known if isinstance(event, e.ContainerExited)]
        assert (await at.logs.end(DEFAULT_TENANT, SUBJECT)).complete_until == exited.finished_at

    run(body)
