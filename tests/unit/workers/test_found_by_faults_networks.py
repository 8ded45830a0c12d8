"""What restarts of the engine showed: it brings back networks that it removed, or loses some."""

import pytest

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.event import Command, Event
from domain.processes import naming
from tests.support.installation import Installation, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",), network="isolated")
STREAM = "container-a"
NAME, NETWORK = naming.container_name("a", 1), naming.network_name("a")


def test_a_network_that_the_engine_brings_back_is_removed_again() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await at.send(c.RequestContainer(container_id="a", spec=SPEC))
            await at.recorded(STREAM, e.ContainerStarted)
            labels = at.engine.networks[NETWORK]
            await at.send(c.RemoveContainer(container_id="a", force=True))
            await at.recorded(STREAM, e.ContainerRemoved)
        at.engine.networks[NETWORK] = labels

        async with at.at_work(at.reconciler):
            await until(lambda: NETWORK not in at.engine.networks)

    run(body)


def test_the_network_of_a_living_container_stays() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor, at.reconciler):
            await at.send(c.RequestContainer(container_id="a", spec=SPEC))
            await at.recorded(STREAM, e.ContainerStarted)
            looks = len(at.calls("list_networks"))
            await until(lambda: len(at.calls("list_networks")) > looks)
        assert NETWORK in at.engine.networks

    run(body)


@pytest.mark.parametrize(
    ("again", "outcome"),
    [
        (c.StartContainer(container_id="a"), e.ContainerStarted),
        (c.RestartContainer(container_id="a"), e.ContainerRestarted),
    ],
)
def test_a_container_whose_network_was_pruned_starts_in_a_new_one_like_it(
    again: Command, outcome: type[Event]
) -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor, at.reconciler):
            await at.send(c.RequestContainer(container_id="a", spec=SPEC))
            await at.recorded(STREAM, e.ContainerStarted)
            made = at.engine.networks[NETWORK]
            at.engine.end(NAME, 0)
            await at.recorded(STREAM, e.ContainerExited)
            await at.engine.remove_network(NETWORK)
            await at.send(again)
            *_, last = await at.recorded(
                STREAM, outcome, times=2 if outcome is e.ContainerStarted else 1
            )
        assert isinstance(last, outcome)
        assert at.engine.networks == {NETWORK: made}

    run(body)
