"""What happens in the engine without us is recorded once, also while nobody looked."""

from adapters.memory.container_engine import Program
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.engines.events import EngineObserved, ObservationGapRecorded
from tests.support.installation import Installation, names, run

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
            (before,) = await at.engine.list({})
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
            (late,) = await at.engine.list({})
            await at.send(c.RemoveContainer(container_id="a", force=True))
            await at.recorded(STREAM, e.ContainerRemoved)
            await at.containers.observe(late)
        assert at.calls("remove") == [NAME, NAME]

    run(body)
