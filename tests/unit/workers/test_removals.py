"""A container that is gone is told as removed, whatever becomes of its network."""

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.ports import EngineContainerSpec
from domain.processes import naming
from tests.support.installation import Installation, names, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",), network="isolated")
STREAM = "container-a"
NETWORK = naming.network_name("a")


def test_a_network_that_somebody_uses_is_no_reason_why_its_container_is_not_removed() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work(at.process_manager, at.executor):
            await at.send(c.RequestContainer(container_id="a", spec=SPEC))
            await at.recorded(STREAM, e.ContainerStarted)
            debug = EngineContainerSpec(name="debug", image="alpine:3", network=NETWORK)
            await at.engine.create(debug)
            await at.engine.start("debug")
            await at.send(c.RemoveContainer(container_id="a", force=True))
            await until(lambda: at.calls("remove") != [])
            await until(at.effects.is_empty)
        assert names(await at.events(STREAM), "Container")[-1] == "Removed"
        assert NETWORK in at.engine.networks

        await at.engine.remove("debug", force=True)
        async with at.at_work(at.reconciler):
            await until(lambda: NETWORK not in at.engine.networks)

    run(body)
