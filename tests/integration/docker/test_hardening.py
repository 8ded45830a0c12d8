"""What a container is allowed, seen from inside it and from the engine."""

import asyncio

import msgspec

from adapters.docker import DockerEngine, EngineAddress
from adapters.docker.container_spec import create_body
from domain.containers.spec import Limits
from domain.ports import EngineContainerSpec
from tests.support.container_engines import MEBIBYTE, SHOW_LIMITS, Bench, on_docker
from tests.support.docker import a_docker_engine, base_image, sdk

STATUS = ("cat", "/proc/self/status")


async def said(bench: Bench, *command: str, **changes: object) -> str:
    name = await bench.running(command, **changes)
    return (await bench.output(name))["stdout"].decode()


@on_docker
async def test_a_program_has_no_capability_and_cannot_gain_any(bench: Bench) -> None:
    status = dict(line.split(":\t", 1) for line in (await said(bench, *STATUS)).splitlines())
    sets = {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd")}
    assert sets == {"CapEff": 0, "CapPrm": 0, "CapInh": 0, "CapBnd": 0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


@on_docker
async def test_a_build_step_has_the_capabilities_it_was_given_and_no_other(bench: Bench) -> None:
    status = await said(bench, *STATUS, capabilities=("CHOWN", "FOWNER"))
    assert f"CapEff:\t{(1 << 0) | (1 << 3):016x}" in status


@on_docker
async def test_limits_hold_inside(bench: Bench) -> None:
    limits = Limits(memory_bytes=64 * MEBIBYTE, cpu_millis=250, pids=33)
    told = (await said(bench, "sh", "-c", SHOW_LIMITS, limits=limits)).split()
    assert told == [str(64 * MEBIBYTE), "33", "25000"]


@on_docker
async def test_limits_can_be_changed_while_it_runs(bench: Bench) -> None:
    name = await bench.running()
    await bench.engine.update(name, Limits(memory_bytes=96 * MEBIBYTE, cpu_millis=500, pids=44))
    host = sdk().inspect_container(name)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (96 * MEBIBYTE, 96 * MEBIBYTE)
    assert (host["NanoCpus"], host["PidsLimit"]) == (500_000_000, 44)


@on_docker
async def test_a_container_is_alone_unless_it_is_given_a_network(bench: Bench) -> None:
    told = await said(bench, "cat", "/proc/net/dev")
    assert [line.split(":")[0].strip() for line in told.splitlines()[2:]] == ["lo"]


@on_docker
async def test_a_read_only_root_leaves_its_tmpfs_writable_to_anybody(bench: Bench) -> None:
    script = "touch /srv/a 2>/dev/null || echo read-only; touch /scratch/a && echo writable"
    told = await said(
        bench, "sh", "-c", script, read_only_root=True, tmpfs=("/scratch",), user="65534"
    )
    assert told.split() == ["read-only", "writable"]


@on_docker
async def test_the_engine_sees_no_mount_no_privilege_and_a_bounded_log(bench: Bench) -> None:
    host = sdk().inspect_container(await bench.created())["HostConfig"]
    assert not host["Privileged"]
    doors = ("Binds", "Devices", "DeviceRequests", "VolumesFrom", "Mounts", "CapAdd")
    assert [door for door in doors if host.get(door)] == []
    assert (host["IpcMode"], host["PidMode"], host["UTSMode"]) == ("private", "", "")
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["LogConfig"] == {
        "Type": "json-file",
        "Config": {"max-size": str(80 * 64 * MEBIBYTE), "max-file": "1", "mode": "blocking"},
    }


LOG_BYTES = 20_000


def test_a_log_is_whole_up_to_its_limit_and_bounded_beyond() -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(60),
            a_docker_engine(),
            await DockerEngine.open(EngineAddress(), log_bytes=LOG_BYTES) as engine,
        ):
            bench = Bench(engine, base_image())
            shortest_lines = await said(bench, "sh", "-c", f"yes '' | head -c {LOG_BYTES}")
            assert shortest_lines == "\n" * LOG_BYTES
            much = await bench.ended(("sh", "-c", f"yes '' | head -c {20 * LOG_BYTES}"))
            assert len((await bench.output(much, follow=False))["stdout"]) <= 2 * LOG_BYTES

    asyncio.run(main())


def test_nothing_but_the_listed_settings_is_ever_sent() -> None:
    body = create_body(EngineContainerSpec(name="a", image="b"), log_bytes=1)
    host = msgspec.convert(body["HostConfig"], dict[str, object])
    assert set(body) - {"HostConfig"} == {
        *("Image", "Cmd", "Entrypoint", "Env", "User", "WorkingDir", "Labels", "StopTimeout")
    }
    assert set(host) == {
        *("Memory", "MemorySwap", "NanoCpus", "PidsLimit", "CapDrop", "CapAdd", "SecurityOpt"),
        *("NetworkMode", "IpcMode", "ReadonlyRootfs", "Tmpfs", "Init", "RestartPolicy"),
        "LogConfig",
    }
