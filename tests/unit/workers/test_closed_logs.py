"""A container's log is closed when the container is gone, and not before."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from adapters.memory.container_engine import Program
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.errors import EngineOutcomeUnknown
from domain.event import DEFAULT_TENANT, Event
from domain.ports import LogFrame
from domain.processes.naming import container_log
from tests.support.installation import Installation, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM, NAME, SUBJECT = "container-a", "em-a-1", container_log("a", 1)
SAID, MORE = (LogFrame(stream="stdout", data=data) for data in (b"hello\n", b"the rest\n"))
NOTE = b"\n[The end of this log may be missing.]\n"


@pytest.fixture(autouse=True)
def who_follows_has_caught_up_before_a_log_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.workers.whole_log.PAUSE_SECONDS", 0.01)


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
                await _until_log_is(at, len(SAID.data + NOTE), closed=True)

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


@pytest.mark.parametrize("breaks_off", [False, True])
def test_a_log_that_may_lack_its_end_says_so_before_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
    breaks_off: bool,  # noqa: FBT001 - a case
) -> None:
    monkeypatch.setattr("api.workers.reconciler.FULL_LOOK_SECONDS", 0.1)

    async def body(at: Installation) -> None:
        async def cut(name: str, *, follow: bool) -> AsyncIterator[LogFrame]:
            yield SAID
            if follow:
                at.engine.disappear(name)
            if breaks_off:
                await _until_log_is(at, len(SAID.data), closed=False)
                raise EngineOutcomeUnknown("The log broke off")

        at.engine.logs = cut  # type: ignore[method-assign, assignment] # an iterator will do
        async with at.at_work():
            await at.send(c.RequestContainer(container_id="a", spec=SPEC))
            await _until_log_is(at, len(SAID.data + NOTE), closed=True)
        kept = await at.logs.read(DEFAULT_TENANT, SUBJECT)
        assert b"".join(chunk.data for chunk in kept) == SAID.data + NOTE

    run(body)


def test_a_log_whose_end_the_engine_withholds_is_not_complete_until_its_container_starts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.workers.whole_log.SILENCE_SECONDS", 0.1)

    async def body(at: Installation) -> None:
        async def withheld(name: str, *, follow: bool) -> AsyncIterator[LogFrame]:
            del name, follow
            yield SAID
            await asyncio.Event().wait()

        def is_followed() -> bool:
            return f"log {NAME}" in {task.get_name() for task in asyncio.all_tasks()}

        really = at.engine.logs
        at.engine.logs = withheld  # type: ignore[method-assign, assignment] # a broken engine
        async with at.at_work():
            await _talking(at)
            at.engine.write(NAME, MORE)
            at.engine.end(NAME, 0)
            await at.recorded(STREAM, e.ContainerExited)
            await until(lambda: not is_followed())
            assert (await at.logs.end(DEFAULT_TENANT, SUBJECT)).complete_until is None
            at.engine.logs = really  # type: ignore[method-assign]
            await at.send(c.StartContainer(container_id="a"))
            await _until_log_is(at, len(SAID.data + MORE.data), closed=False)

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
