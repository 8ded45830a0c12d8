"""Networks on engines that give one name to several, and have room for few by themselves."""

import asyncio
from ipaddress import IPv4Network

import pytest

from adapters.docker import DockerEngine, EngineAddress
from domain.errors import EngineRefused
from tests.support.container_engines import Bench, on_docker
from tests.support.docker import a_docker_engine, labels, new_name, sdk


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


def subnet_of(name: str) -> IPv4Network:
    (found,) = (each for each in sdk().networks(names=[name]) if each["Name"] == name)
    return IPv4Network(found["IPAM"]["Config"][0]["Subnet"])


def test_there_is_room_for_more_networks_than_an_engine_has_by_itself() -> None:
    async def main() -> None:
        async with asyncio.timeout(180), a_docker_engine() as engine:
            names = [new_name() for _ in range(45)]
            for several in batched(names, 9):
                await asyncio.gather(*(engine.ensure_network(n, labels=labels()) for n in several))
            subnets = {subnet_of(name) for name in names}
            assert len(subnets) == len(names)
            assert all(each.subnet_of(IPv4Network("10.213.0.0/16")) for each in subnets)
            await asyncio.gather(*(engine.remove_network(name) for name in names))

    asyncio.run(main())


def batched(names: list[str], size: int) -> list[list[str]]:
    return [names[begin : begin + size] for begin in range(0, len(names), size)]


def test_a_full_pool_is_said_and_what_to_do() -> None:
    async def main() -> None:
        async with asyncio.timeout(60), a_docker_engine():
            pool = "10.214.77.0/26"
            async with await DockerEngine.open(EngineAddress(), network_pool=pool) as engine:
                for _ in range(4):
                    await engine.ensure_network(new_name(), labels=labels())
                with pytest.raises(EngineRefused, match=r"set engine\.network_pool"):
                    await engine.ensure_network(new_name(), labels=labels())

    asyncio.run(main())
