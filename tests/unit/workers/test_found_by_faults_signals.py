"""What 500 kills showed: calls that were cut off, then superseded; signals for the dead."""

from adapters.memory.container_engine import Program
from domain.application.perform_container import ContainerPerformer
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.ports import ClaimedEffect
from domain.processes import effects as f
from domain.processes import naming
from tests.support.installation import INSTALLATION, Installation, run

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM = "container-a"
NAME = naming.container_name("a", 1)


def _claimed(effect: f.ContainerEffects, *, superseded: bool) -> ClaimedEffect:
    """By the second executor: the first one died somewhere on its way."""
    return ClaimedEffect(
        effect_id="reactions:9:0",
        tenant="default",
        stream=STREAM,
        correlation_id="request",
        effect=effect,
        attempt=2,
        superseded=superseded,
    )


def _performer(at: Installation) -> ContainerPerformer:
    return ContainerPerformer(
        engine=at.engine,
        handler=at.handler,
        secrets=at.secrets,
        clock=at.clock,
        installation=INSTALLATION,
    )


async def _running(at: Installation) -> None:
    at.engine.programs["serve",] = Program(ignores=frozenset({"HUP"}))
    async with at.at_work(at.process_manager, at.executor):
        await at.send(c.RequestContainer(container_id="a", spec=SPEC))
        await at.recorded(STREAM, e.ContainerStarted)


def test_a_stop_that_took_place_is_told_although_it_was_superseded() -> None:
    async def body(at: Installation) -> None:
        await _running(at)
        await at.engine.stop(NAME, grace_seconds=1)
        stop = f.StopEngineContainer(container_id="a", generation=1, intent=9, grace_seconds=1)

        outcome = await _performer(at).perform(_claimed(stop, superseded=True), stop)

        assert isinstance(outcome, c.RecordContainerStopped)
        assert outcome.finished_at is not None

    run(body)


def test_a_stop_that_was_begun_and_cannot_be_seen_yet_stays_unknown() -> None:
    async def body(at: Installation) -> None:
        await _running(at)
        stop = f.StopEngineContainer(container_id="a", generation=1, intent=9, grace_seconds=1)

        outcome = await _performer(at).perform(_claimed(stop, superseded=True), stop)

        assert isinstance(outcome, c.RecordContainerOperationFailed)
        assert outcome.unknown

    run(body)


def test_a_signal_for_a_dead_container_is_no_success() -> None:
    async def body(at: Installation) -> None:
        await _running(at)
        await at.engine.kill(NAME, signal="KILL")
        async with at.at_work(at.process_manager, at.executor):
            await at.send(c.KillContainer(container_id="a", signal="HUP"))
            *_, last = await at.recorded(STREAM, e.ContainerOperationFailed)
        assert isinstance(last, e.ContainerOperationFailed)
        assert last.operation == "kill"

    run(body)


def test_a_signal_of_a_dead_executor_stays_unknown_although_the_container_has_ended() -> None:
    async def body(at: Installation) -> None:
        await _running(at)
        await at.engine.kill(NAME, signal="KILL")
        hup = f.KillEngineContainer(container_id="a", generation=1, intent=9, signal="HUP")

        outcome = await _performer(at).perform(_claimed(hup, superseded=False), hup)

        assert isinstance(outcome, c.RecordContainerOperationFailed)
        assert outcome.unknown

    run(body)
