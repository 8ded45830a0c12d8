"""What every ContainerEngine does with networks, in memory and on a Docker Engine."""

import pytest

from domain.errors import EngineConflict, NetworkNotFound
from tests.support.container_engines import Bench, on_each_engine
from tests.support.docker import labels, new_name


@on_each_engine
async def test_a_network_is_there_once_however_often_it_is_asked_for(bench: Bench) -> None:
    name = new_name()
    for _ in range(2):
        await bench.engine.ensure_network(name, labels=labels())
    with pytest.raises(EngineConflict):
        await bench.engine.ensure_network(name, labels={**labels(), "io.eulermaker.effect": "x"})
    await bench.engine.remove_network(name)
    await bench.engine.remove_network(name)


@on_each_engine
async def test_a_network_in_use_is_not_removed(bench: Bench) -> None:
    network = new_name()
    await bench.engine.ensure_network(network, labels=labels())
    name = await bench.running(network=network)
    with pytest.raises(EngineConflict):
        await bench.engine.remove_network(network)
    await bench.engine.remove(name, force=True)
    await bench.engine.remove_network(network)


@on_each_engine
async def test_a_container_whose_network_was_removed_starts_in_another(bench: Bench) -> None:
    network = new_name()
    await bench.engine.ensure_network(network, labels=labels())
    name = await bench.running(network=network)
    await bench.engine.stop(name, grace_seconds=0)
    await bench.engine.remove_network(network)
    with pytest.raises(NetworkNotFound, match="network"):
        await bench.engine.start(name)
    await bench.engine.ensure_network(network, labels=labels())
    await bench.engine.join_network(name, network)
    assert (await bench.engine.start(name)).status == "running"
    with pytest.raises(EngineConflict):  # it is in there
        await bench.engine.remove_network(network)
    await bench.engine.remove(name, force=True)
    await bench.engine.remove_network(network)
