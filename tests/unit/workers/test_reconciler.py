"""What happens in the engine without us is recorded once, also while nobody looked."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from adapters.memory.container_engine import Program
from api.workers.loops import Wakeable
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.engines.events import EngineObserved, ObservationGapRecorded
from domain.errors import EngineOutcomeUnknown
from domain.ports import EngineContainer, EngineContainerSpec
from domain.processes.naming import network_name
from tests.support.installation import Installation, names, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM, NAME = "container-a", "em-a-1"


async def _running(at: Installation) -> None:
    await at.send(c.RequestContainer(container_id="a", spec=SPEC))
    await at.recorded(STREAM, e.ContainerStarted)


def test_an_exit_is_observed_once() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
            at.engine.end(NAME, 3)
            *_, exited = await at.recorded(STREAM, e.ContainerExited)
        at.wire()
        async with at.at_work():
            await at.recorded("engine-memory", ObservationGapRecorded)
        assert isinstance(exited, e.ContainerExited)
        assert exited.exit_code == 3
        assert names(await at.events(STREAM), "Container").count("Exited") == 1

    run(body)


def test_a_container_that_ends_at_once_has_ended() -> None:
    async def body(at: Installation) -> None:
        at.engine.programs["serve",] = Program(exit_code=0)
        async with at.at_work():
            await at.send(c.RequestContainer(container_id="a", spec=SPEC))
            await at.recorded(STREAM, e.ContainerExited)
            await at.recorded(STREAM, e.ContainerStarted)
        assert (await at.state(STREAM)).status == "stopped"  # type: ignore[attr-defined] # a Container

    run(body)


def test_what_happened_while_nobody_looked_is_found_and_the_gap_is_recorded() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
            await at.recorded("engine-memory", EngineObserved)
        at.engine.disappear(NAME)
        at.wire()
        async with at.at_work():
            await at.recorded(STREAM, e.ContainerDisappeared)
            await at.recorded("engine-memory", ObservationGapRecorded)
        assert names(await at.events("engine-memory"), "") == [
            "EngineObserved",
            "ObservationGapRecorded",
        ]

    run(body)


def test_a_pause_behind_our_back_is_recorded() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
            await at.engine.pause(NAME)
            *_, seen = await at.recorded(STREAM, e.ContainerStateObserved)
            assert isinstance(seen, e.ContainerStateObserved)
            assert seen.status == "paused"

    run(body)


def test_a_sight_that_is_out_of_date_is_not_recorded() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            (before,) = (await at.engine.list({})).containers
            await at.send(c.StopContainer(container_id="a"))
            await at.recorded(STREAM, e.ContainerStopped)
            await at.containers.observe(before)
            await at.containers.stop()
        assert "StateObserved" not in names(await at.events(STREAM), "Container")

    run(body)


def test_a_container_made_after_its_removal_is_swept() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            (late,) = (await at.engine.list({})).containers
            await at.send(c.RemoveContainer(container_id="a", force=True))
            await at.recorded(STREAM, e.ContainerRemoved)
            await at.containers.observe(late)
        assert at.calls("remove") == [NAME, NAME]

    run(body)


@pytest.mark.parametrize("refuses", ["remove", "remove_network"])
def test_a_removal_that_the_engine_is_still_at_holds_up_nothing_else(
    monkeypatch: pytest.MonkeyPatch, refuses: str
) -> None:
    monkeypatch.setattr("api.workers.reconciler.FULL_LOOK_SECONDS", 0.01)
    tries: list[str] = []

    async def still_at_it(name: str, **_: bool) -> None:
        tries.append(name)
        raise EngineOutcomeUnknown(f"The engine is still removing {name}")

    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await _running(at)
            (container,) = (await at.engine.list({})).containers
            await at.send(c.RemoveContainer(container_id="a", force=True))
            await at.recorded(STREAM, e.ContainerRemoved)
            await _make_again(at, container)
            await at.send(c.RequestContainer(container_id="b", spec=SPEC))
            await at.recorded("container-b", e.ContainerStarted)
        monkeypatch.setattr(at.engine, refuses, still_at_it)
        async with at.at_work(at.reconciler):
            await until(lambda: len(tries) > 2)
            assert len(at.calls("events")) == 1  # it did not begin anew
            at.engine.end("em-b-1", 3)
            await at.recorded("container-b", e.ContainerExited)

    run(body)


async def _make_again(at: Installation, removed: EngineContainer) -> None:
    """A call that comes too late."""
    labels = removed.labels
    await at.engine.create(EngineContainerSpec(name=NAME, image="alpine:3", labels=labels))
    await at.engine.ensure_network(network_name("a"), labels=labels)


def test_a_container_that_was_renamed_in_the_engine_has_disappeared_for_us() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
            at.engine.rename(NAME, "db")
            await at.recorded(STREAM, e.ContainerDisappeared)
        assert "db" not in at.calls("inspect")  # an engine would take it for an id's first digits

    run(body)


def test_a_container_that_the_engine_fails_to_show_blinds_nobody_and_has_not_disappeared() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
            await at.recorded("engine-memory", EngineObserved)
        at.engine.unseen.add(NAME)
        at.wire()
        async with at.at_work():
            await at.recorded("engine-memory", ObservationGapRecorded)
            await at.engine.pause(NAME)  # which wakes the reconciler
            await at.send(c.RequestContainer(container_id="b", spec=SPEC))
            await at.recorded("container-b", e.ContainerStarted)
            at.engine.end("em-b-1", 3)
            await at.recorded("container-b", e.ContainerExited)
        assert names(await at.events(STREAM), "Container")[-1] == "Started"
        assert len(await at.events("engine-memory")) == 2  # it did not begin anew

    run(body)


def test_a_container_that_the_engine_fails_to_show_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.workers.reconciler.FULL_LOOK_SECONDS", 0.01)

    async def body(at: Installation) -> None:
        async with at.at_work():
            await _running(at)
            with capture_logs() as told:
                at.engine.unseen.add(NAME)
                looks = len(at.calls("list"))
                await until(lambda: len(at.calls("list")) > looks + 3)
        assert [line["container"] for line in told if "fails to show" in line["event"]] == [NAME]

    run(body)


def test_logs_are_let_go_before_the_lock() -> None:
    """Whoever gets the lock next keeps them, and two who keep one log would cut it differently."""

    async def body(at: Installation) -> None:
        inner = at.reconciler._lock  # pyright: ignore[reportPrivateUsage] - it is looked at from outside
        followed_at_the_end: list[int] = []

        @asynccontextmanager
        async def watched() -> AsyncGenerator[Wakeable]:
            async with inner() as lock:
                try:
                    yield lock
                finally:
                    followed_at_the_end.append(len(at.containers.followed))

        at.reconciler._lock = watched  # pyright: ignore[reportPrivateUsage]
        async with at.at_work():
            await _running(at)
            await at.recorded("engine-memory", EngineObserved)
            await until(lambda: bool(at.containers.followed))
            await at.reconciler.stop()
        assert followed_at_the_end == [0]

    run(body)
