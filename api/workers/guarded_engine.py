"""A container engine whose every call must be let in: by a lease, by the installation's binding."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from domain.containers.spec import Limits
from domain.ports import (
    FEW_HOSTS,
    BuildOutput,
    ContainerEngine,
    EngineContainer,
    EngineContainerSpec,
    EngineEvent,
    EngineIdentity,
    EngineImage,
    EngineListing,
    EngineNetwork,
    ImageBuildRequest,
    LogFrame,
)

Admission = Callable[[], AbstractAsyncContextManager[None]]
"""Around each call. Entering raises where it must not be made."""


class GuardedEngine:
    """Implements `domain.ports.ContainerEngine`. Long streams are let in once, at their opening."""

    def __init__(self, engine: ContainerEngine, admit: Admission) -> None:
        self._engine = engine
        self._admit = admit

    async def identity(self) -> EngineIdentity:
        async with self._admit():
            return await self._engine.identity()

    async def create(self, spec: EngineContainerSpec) -> EngineContainer:
        async with self._admit():
            return await self._engine.create(spec)

    async def start(self, name: str) -> EngineContainer:
        async with self._admit():
            return await self._engine.start(name)

    async def stop(self, name: str, *, grace_seconds: int) -> EngineContainer:
        async with self._admit():
            return await self._engine.stop(name, grace_seconds=grace_seconds)

    async def pause(self, name: str) -> None:
        async with self._admit():
            await self._engine.pause(name)

    async def unpause(self, name: str) -> None:
        async with self._admit():
            await self._engine.unpause(name)

    async def kill(self, name: str, *, signal: str) -> None:
        async with self._admit():
            await self._engine.kill(name, signal=signal)

    async def update(self, name: str, limits: Limits) -> None:
        async with self._admit():
            await self._engine.update(name, limits)

    async def remove(self, name: str, *, force: bool) -> None:
        async with self._admit():
            await self._engine.remove(name, force=force)

    async def inspect(self, name: str) -> EngineContainer | None:
        async with self._admit():
            return await self._engine.inspect(name)

    async def list(self, labels: dict[str, str]) -> EngineListing:
        async with self._admit():
            return await self._engine.list(labels)

    def events(self, *, labels: dict[str, str]) -> AsyncIterator[EngineEvent]:
        """Whoever only listens needs no leave: events are wake-ups."""
        return self._engine.events(labels=labels)

    async def logs(self, name: str, *, follow: bool) -> AsyncGenerator[LogFrame]:
        async with self._admit():
            frames = self._engine.logs(name, follow=follow)
        async with _closing(frames):
            async for frame in frames:
                yield frame

    async def put_files(self, name: str, path: str, tar: AsyncIterator[bytes]) -> None:
        async with self._admit():
            await self._engine.put_files(name, path, tar)

    async def get_files(self, name: str, path: str) -> AsyncGenerator[bytes]:
        """Each piece anew: what is done with one may take any time."""
        pieces = self._engine.get_files(name, path)
        async with _closing(pieces):
            while True:
                async with self._admit():
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece

    async def commit(self, name: str, *, tag: str, labels: dict[str, str]) -> EngineImage:
        async with self._admit():
            return await self._engine.commit(name, tag=tag, labels=labels)

    async def tag(self, image: str, tag: str) -> None:
        async with self._admit():
            await self._engine.tag(image, tag)

    async def find_image(self, reference: str) -> EngineImage | None:
        async with self._admit():
            return await self._engine.find_image(reference)

    async def pull(self, reference: str) -> EngineImage:
        async with self._admit():
            return await self._engine.pull(reference)

    async def ensure_network(
        self, name: str, *, labels: dict[str, str], hosts: int = FEW_HOSTS
    ) -> None:
        async with self._admit():
            await self._engine.ensure_network(name, labels=labels, hosts=hosts)

    async def join_network(self, container: str, network: str) -> None:
        async with self._admit():
            await self._engine.join_network(container, network)

    async def remove_network(self, name: str) -> None:
        async with self._admit():
            await self._engine.remove_network(name)

    async def list_networks(self, labels: dict[str, str]) -> Sequence[EngineNetwork]:
        async with self._admit():
            return await self._engine.list_networks(labels)

    async def build_image(
        self, request: ImageBuildRequest, context: AsyncIterator[bytes]
    ) -> AsyncGenerator[BuildOutput]:
        async with self._admit():
            outputs = self._engine.build_image(request, context)
        async with _closing(outputs):
            async for output in outputs:
                yield output


@asynccontextmanager
async def _closing(pieces: AsyncIterator[object]) -> AsyncGenerator[None]:
    """When we are closed, and not only when somebody collects it."""
    try:
        yield
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
