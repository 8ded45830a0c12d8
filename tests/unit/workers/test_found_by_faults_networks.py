"""What restarts of the engine showed: it brings back networks that it had removed."""

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.processes import naming
from tests.support.installation import Installation, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",), network="isolated")
STREAM = "container-a"
NETWORK = naming.network_name("a")


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
