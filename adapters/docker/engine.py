"""The port `ContainerEngine` on one Docker Engine: short calls by the SDK, streams by aiohttp."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Self

import msgspec

from adapters.docker import wire
from adapters.docker.address import Endpoint, EngineAddress, endpoint, ssh_destination
from adapters.docker.archives import get_files, put_files
from adapters.docker.classic_build import build_classic
from adapters.docker.containers import Containers
from adapters.docker.control import ControlClient
from adapters.docker.errors import refused
from adapters.docker.events import read_events
from adapters.docker.images import Images
from adapters.docker.logs import read_logs
from adapters.docker.networks import Networks
from adapters.docker.registry import why_unobtainable
from adapters.docker.relay import SshRelay
from adapters.docker.streams import StreamClient
from adapters.docker.subnets import SubnetPool
from domain.containers.spec import Limits
from domain.ports import (
    FEW_HOSTS,
    BuildOutput,
    EngineContainer,
    EngineContainerSpec,
    EngineEvent,
    EngineIdentity,
    EngineImage,
    EngineListing,
    EngineNetwork,
    EngineSize,
    ImageBuildRequest,
    LogFrame,
)

NETWORK_POOL = "10.213.0.0/16"
LOG_BYTES = 64 * 1024**2


class DockerEngine:
    """`async with await DockerEngine.open(address) as engine`, or `close()` it.

    Opening connects to nothing yet: an engine that is down is found by the first call.
    """

    def __init__(
        self,
        where: Endpoint,
        relay: SshRelay | None = None,
        *,
        network_pool: str = NETWORK_POOL,
        log_bytes: int = LOG_BYTES,
    ) -> None:
        self._relay = relay
        self._control = ControlClient(where)
        self._streams = StreamClient(where, self._control)
        self._containers = Containers(self._control, log_bytes=log_bytes)
        self._images = Images(self._control, self._streams, self._containers)
        self._networks = Networks(self._control, SubnetPool(network_pool))

    @classmethod
    async def open(
        cls,
        address: EngineAddress,
        *,
        network_pool: str = NETWORK_POOL,
        log_bytes: int = LOG_BYTES,
    ) -> Self:
        """network_pool: what our networks get their addresses from. Raises ValueError.

        log_bytes: how much of a container's log can always be read, from the first byte on.
        """
        destination = ssh_destination(address)
        if destination is None:
            return cls(endpoint(address), network_pool=network_pool, log_bytes=log_bytes)
        relay = SshRelay(destination)
        where = Endpoint(socket=await relay.start())
        return cls(where, relay, network_pool=network_pool, log_bytes=log_bytes)

    async def close(self) -> None:
        await self._streams.close()
        if self._relay is not None:
            await self._relay.stop()  # first, so that no thread waits for a connection of it
        await self._control.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def identity(self) -> EngineIdentity:
        info = await self._info()
        return EngineIdentity(
            engine_id=info.id,
            name=info.name,
            version=info.server_version,
            api_version=await self._control.api_version(),
        )

    async def size(self) -> EngineSize:
        """Beyond the port: how much a container can have here at most."""
        info = await self._info()
        return EngineSize(processors=info.processors, memory_bytes=info.memory_bytes)

    async def create(self, spec: EngineContainerSpec) -> EngineContainer:
        return await self._containers.create(spec)

    async def start(self, name: str) -> EngineContainer:
        return await self._containers.start(name)

    async def stop(self, name: str, *, grace_seconds: int) -> EngineContainer:
        return await self._containers.stop(name, grace_seconds=grace_seconds)

    async def pause(self, name: str) -> None:
        await self._containers.pause(name)

    async def unpause(self, name: str) -> None:
        await self._containers.unpause(name)

    async def kill(self, name: str, *, signal: str) -> None:
        await self._containers.kill(name, signal=signal)

    async def update(self, name: str, limits: Limits) -> None:
        await self._containers.update(name, limits)

    async def remove(self, name: str, *, force: bool) -> None:
        await self._containers.remove(name, force=force)

    async def inspect(self, name: str) -> EngineContainer | None:
        return await self._containers.inspect(name)

    async def list(self, labels: dict[str, str]) -> EngineListing:
        return await self._containers.list(labels)

    def events(self, *, labels: dict[str, str]) -> AsyncGenerator[EngineEvent]:
        """Whatever happens after this call is told, however late the reading begins."""
        return read_events(self._streams, labels=labels, since=datetime.now(UTC))

    def logs(self, name: str, *, follow: bool) -> AsyncGenerator[LogFrame]:
        return read_logs(self._streams, self._containers, name, follow=follow)

    async def put_files(self, name: str, path: str, tar: AsyncIterator[bytes]) -> None:
        await put_files(self._streams, self._containers, name, path, tar)

    def get_files(self, name: str, path: str) -> AsyncGenerator[bytes]:
        return get_files(self._streams, self._containers, name, path)

    async def commit(self, name: str, *, tag: str, labels: dict[str, str]) -> EngineImage:
        return await self._images.commit(name, tag=tag, labels=labels)

    async def tag(self, image: str, tag: str) -> None:
        await self._images.tag(image, tag)

    async def find_image(self, reference: str) -> EngineImage | None:
        return await self._images.find(reference)

    async def why_unobtainable(self, reference: str) -> str | None:
        """Beyond the port: why an image that is not here cannot be pulled.

        None where it can, or where nobody can tell.
        """
        return await why_unobtainable(self._streams, reference)

    async def pull(self, reference: str) -> EngineImage:
        return await self._images.pull(reference)

    async def ensure_network(
        self, name: str, *, labels: dict[str, str], hosts: int = FEW_HOSTS
    ) -> None:
        await self._networks.ensure(name, labels=labels, hosts=hosts)

    async def join_network(self, container: str, network: str) -> None:
        await self._networks.join(container, network)

    async def remove_network(self, name: str) -> None:
        await self._networks.remove(name)

    async def list_networks(self, labels: dict[str, str]) -> Sequence[EngineNetwork]:
        return await self._networks.list(labels)

    def build_image(
        self, request: ImageBuildRequest, context: AsyncIterator[bytes]
    ) -> AsyncGenerator[BuildOutput]:
        return build_classic(self._streams, self._control, request, context)

    async def _info(self) -> wire.InfoReply:
        reply = await self._control.call("GET", "/info")
        if not reply.ok:
            raise refused(reply)
        return msgspec.json.decode(reply.body, type=wire.InfoReply)
