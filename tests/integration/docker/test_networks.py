"""Networks on engines that give one name to several, and have room for few by themselves."""

import asyncio
from contextlib import aclosing
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


LISTENS = (
    "$s = IO::Socket::INET->new(LocalPort => 7000, Listen => 9); print qq(ready\\n); sleep 1000"
)
REACHES = "timeout 2 bash -c ': </dev/tcp/{host}/{port}' 2>/dev/null && echo yes || echo no"


async def reaches(bench: Bench, network: str, host: str, port: int) -> str:
    script = REACHES.format(host=host, port=port)
    name = await bench.running(("sh", "-c", script), network=network)
    return (await bench.output(name))["stdout"].decode().strip()


@on_docker
async def test_containers_of_two_networks_do_not_reach_each_other_but_the_engines_machine(
    bench: Bench,
) -> None:
    here, there = new_name(), new_name()
    for network in (here, there):
        await bench.engine.ensure_network(network, labels=labels())
    perl = ("perl", "-MIO::Socket::INET", "-e", f"$| = 1; {LISTENS}")
    name = await bench.running(perl, network=here)
    async with aclosing(bench.engine.logs(name, follow=True)) as frames:
        assert (await anext(frames)).data == b"ready\n"
    joined = sdk().inspect_container(name)["NetworkSettings"]["Networks"][here]
    assert await reaches(bench, here, joined["IPAddress"], 7000) == "yes"
    assert await reaches(bench, there, joined["IPAddress"], 7000) == "no"
    async with await asyncio.start_server(_hang_up, "0.0.0.0", 0) as server:  # noqa: S104 - on purpose
        port = server.sockets[0].getsockname()[1]
        assert await reaches(bench, there, joined["Gateway"], port) == "yes"


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


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
