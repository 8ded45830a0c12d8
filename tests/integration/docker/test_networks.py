"""Networks on engines that give one name to several."""

from tests.support.container_engines import Bench, on_docker
from tests.support.docker import labels, new_name, sdk


def ids_of(name: str) -> list[str]:
    return [each["Id"] for each in sdk().networks(names=[name]) if each["Name"] == name]


def create(name: str) -> str:
    created: str = sdk().create_network(name, check_duplicate=False, labels=labels())["Id"]
    return created


@on_docker
async def test_of_several_networks_of_a_name_the_oldest_stays(bench: Bench) -> None:
    name = new_name()
    oldest = create(name)
    create(name)
    create(f"{name}-longer")
    await bench.engine.ensure_network(name, labels=labels())
    assert ids_of(name) == [oldest]
    assert len(ids_of(f"{name}-longer")) == 1


@on_docker
async def test_a_container_reaches_out_but_only_from_its_own_network(bench: Bench) -> None:
    network = new_name()
    await bench.engine.ensure_network(network, labels=labels())
    name = await bench.running(("cat", "/proc/net/dev"), network=network)
    assert b"eth0" in (await bench.output(name))["stdout"]
    assert list(sdk().inspect_container(name)["NetworkSettings"]["Networks"]) == [network]
