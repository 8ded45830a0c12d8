"""The two container engines, and programs that both can run: as a shell script, or told."""

import asyncio
import io
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec
import pytest

from adapters.docker import DockerEngine
from adapters.memory.container_engine import InMemoryContainerEngine, Program
from domain.containers.spec import Limits
from domain.ports import (
    ContainerEngine,
    EngineContainer,
    EngineContainerSpec,
    ImageBuildRequest,
    LogFrame,
    LogStreamName,
)
from tests.support.docker import a_docker_engine, base_image, labels, new_name
from tests.support.engine_proxy import an_engine_proxy

Engine = DockerEngine | InMemoryContainerEngine
PORT: tuple[type[ContainerEngine], ...] = (DockerEngine, InMemoryContainerEngine)
DEADLINE_SECONDS = 60
MEBIBYTE = 1024 * 1024
WAITS = ("sleep", "1000")


class Script(msgspec.Struct, frozen=True):
    shell: str
    told: Program

    @property
    def command(self) -> tuple[str, ...]:
        return ("sh", "-c", self.shell)


def _said(stream: LogStreamName, text: str) -> LogFrame:
    return LogFrame(stream=stream, data=text.encode())


EXITS_WITH_3 = Script("exit 3", Program(exit_code=3))
IS_DEAF_TO_TERM = Script(
    "trap '' TERM; while :; do sleep 0.1; done", Program(ignores=frozenset({"TERM"}))
)
TALKS = Script(
    "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three",
    Program(
        output=(_said("stdout", "one\n"), _said("stderr", "two\n"), _said("stdout", "three\n")),
        exit_code=0,
    ),
)
TALKS_AND_STAYS = Script(
    "echo ready; exec sleep 1000", Program(output=(_said("stdout", "ready\n"),))
)
EATS_MEMORY = Script("tail /dev/zero", Program(exit_code=137, out_of_memory=True))
WRITES_A_FILE = Script(
    "echo built > /srv/result", Program(files={"/srv/result": b"built\n"}, exit_code=0)
)
READS_THE_FILE = Script(
    "cat /srv/result", Program(output=(_said("stdout", "built\n"),), exit_code=0)
)
SCRIPTS = (
    EXITS_WITH_3,
    IS_DEAF_TO_TERM,
    TALKS,
    TALKS_AND_STAYS,
    EATS_MEMORY,
    WRITES_A_FILE,
    READS_THE_FILE,
)
# Memory, processes, and processor time in 100 ms, whatever version of cgroups there is.
SHOW_LIMITS = """
if [ -f /sys/fs/cgroup/cgroup.controllers ]
then cd /sys/fs/cgroup && cat memory.max pids.max && cut -d' ' -f1 cpu.max
else cd /sys/fs/cgroup && cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us
fi
"""
NO_SUCH_PROGRAM = ("/no/such/program",)


class Bench(msgspec.Struct, frozen=True):
    """An engine with an image, and what tests do with it again and again."""

    engine: Engine
    image: str

    def spec(
        self, command: tuple[str, ...] = WAITS, *, name: str = "", **changes: Any
    ) -> EngineContainerSpec:
        spec = EngineContainerSpec(
            name=name or new_name(), image=self.image, command=command, labels=labels()
        )
        return msgspec.structs.replace(spec, **changes)

    async def image_request(self, **changes: Any) -> ImageBuildRequest:
        """With its network made."""
        request = ImageBuildRequest(
            tag=f"eulermaker/test:{new_name()}",
            dockerfile="Dockerfile",
            target="",
            arguments={},
            labels=labels(),
            limits=Limits(),
            network=new_name(),
        )
        await self.engine.ensure_network(request.network, labels=labels())
        return msgspec.structs.replace(request, **changes)

    async def created(self, command: tuple[str, ...] = WAITS, **changes: Any) -> str:
        return (await self.engine.create(self.spec(command, **changes))).name

    async def running(self, command: tuple[str, ...] = WAITS, **changes: Any) -> str:
        name = await self.created(command, **changes)
        await self.engine.start(name)
        return name

    async def ended(self, command: tuple[str, ...] = EXITS_WITH_3.command) -> str:
        name = await self.running(command)
        await self.end_of(name)
        return name

    async def state(self, name: str) -> EngineContainer:
        found = await self.engine.inspect(name)
        assert found is not None
        return found

    async def status(self, name: str) -> str:
        return (await self.state(name)).status

    async def end_of(self, name: str) -> EngineContainer:
        """Looks at each event until it has ended."""
        async with aclosing(self.engine.events(labels=labels())) as events:
            while (found := await self.state(name)).exit_code is None:
                await anext(events)
        return found

    @asynccontextmanager
    async def failing_to_show(self, name: str) -> AsyncGenerator[Engine]:
        """When it lists them all."""
        if isinstance(self.engine, InMemoryContainerEngine):
            self.engine.unseen.add(name)
            yield self.engine
            return
        engine_id = (await self.state(name)).engine_id
        async with an_engine_proxy() as proxy, await DockerEngine.open(proxy.address) as engine:
            proxy.loses = f"/containers/{engine_id}/json".encode()
            yield engine

    async def output(self, name: str, *, follow: bool = True) -> dict[str, bytes]:
        said = {"stdout": b"", "stderr": b""}
        async with aclosing(self.engine.logs(name, follow=follow)) as frames:
            async for frame in frames:
                said[frame.stream] += frame.data
        return said

    async def files(self, name: str, path: str) -> dict[str, bytes]:
        pieces = [piece async for piece in self.engine.get_files(name, path)]
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
            return {
                member.name: content.read()
                for member in archive
                if (content := archive.extractfile(member)) is not None
            }


async def a_tar(files: Mapping[str, bytes]) -> AsyncIterator[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    whole = buffer.getvalue()
    for position in range(0, len(whole), 4096):
        yield whole[position : position + 4096]


Claim = Callable[[Bench], Awaitable[None]]


def on_each_engine(claim: Claim) -> Callable[[str], None]:
    """The claim as a test against memory and against Docker."""

    @pytest.mark.parametrize("kind", ["memory", "docker"])
    def test(kind: str) -> None:
        asyncio.run(_claim_on(kind, claim))

    test.__name__ = test.__qualname__ = getattr(claim, "__name__", "test")
    return test


def on_docker(claim: Claim) -> Callable[[], None]:
    """The claim as a test of what only the real engine has."""

    def test() -> None:
        asyncio.run(_claim_on("docker", claim))

    test.__name__ = test.__qualname__ = getattr(claim, "__name__", "test")
    return test


async def _claim_on(kind: str, claim: Claim) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        if kind == "memory":
            await claim(Bench(_in_memory(), "test"))
            return
        async with a_docker_engine() as engine:
            await claim(Bench(engine, base_image()))


def _in_memory() -> InMemoryContainerEngine:
    programs = {script.command: script.told for script in SCRIPTS}
    programs[NO_SUCH_PROGRAM] = Program(fails_to_start="no such file or directory")
    return InMemoryContainerEngine(images=("test",), programs=programs)
