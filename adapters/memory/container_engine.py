"""A container engine in memory, for tests: the real one's answers, and a hand on what goes wrong.

Its extra methods play the world outside: containers that end or vanish, calls whose answer is lost.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec

from adapters.memory.engine_container import MemoryContainer, Program
from adapters.memory.engine_images import MemoryImages
from domain.containers.spec import Limits
from domain.errors import (
    ContainerNotFound,
    EngineConflict,
    EngineError,
    EngineOutcomeUnknown,
    EngineUnavailable,
    NetworkNotFound,
)
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
    ImageBuildRequest,
    LogFrame,
)

OURS = "io.eulermaker."
EVENTS_KEPT = 256

__all__ = ["InMemoryContainerEngine", "Program"]


class _Failure(msgspec.Struct, frozen=True):
    error: EngineError
    after_effect: bool


class InMemoryContainerEngine:
    """programs: what each command does; every other one runs until it is stopped.

    engine_id: who it says it is. image_program: what each image build does.

    reachable: False refuses every call. unseen: containers that it has and fails to show.

    calls: what was asked, with its subject, in order.
    """

    def __init__(
        self,
        *,
        images: Sequence[str] = (),
        programs: Mapping[tuple[str, ...], Program] | None = None,
    ) -> None:
        self.programs = dict(programs or {})
        self.engine_id = "memory"
        self.image_program = Program(exit_code=0)
        self.reachable = True
        self.unseen: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.images = MemoryImages(images)
        self.networks: dict[str, dict[str, str]] = {}
        self._containers: dict[str, MemoryContainer] = {}
        self._created = 0
        self._failures: dict[str, _Failure] = {}
        self._listeners: list[tuple[dict[str, str], asyncio.Queue[EngineEvent]]] = []

    # What tests do to it

    def fail_next(self, call: str, error: EngineError, *, after_effect: bool = False) -> None:
        """The next call of that method raises, with or without having been obeyed."""
        self._failures[call] = _Failure(error, after_effect)

    def end(self, name: str, exit_code: int, *, out_of_memory: bool = False) -> None:
        self._known(name).end(exit_code, out_of_memory=out_of_memory)
        self._tell(name, "die")

    def write(self, name: str, frame: LogFrame) -> None:
        self._known(name).write(frame)

    def disappear(self, name: str) -> None:
        self._tell(name, "destroy")
        self._containers.pop(name).vanish()

    def rename(self, name: str, other: str) -> None:
        container = self._containers.pop(name)
        container.rename(other)
        self._containers[other] = container
        self._tell(other, "rename")

    # The port

    async def identity(self) -> EngineIdentity:
        with self._call("identity"):
            return EngineIdentity(
                engine_id=self.engine_id, name="memory", version="0", api_version="1.41"
            )

    async def create(self, spec: EngineContainerSpec) -> EngineContainer:
        with self._call("create", spec.name):
            return self._create(spec).seen

    async def start(self, name: str) -> EngineContainer:
        with self._call("start", name):
            container = self._known(name)
            self._check_network(container)
            container.start()
            self._tell(name, "start")
            if not container.is_active:
                self._tell(name, "die")
            return container.seen

    async def stop(self, name: str, *, grace_seconds: int) -> EngineContainer:  # noqa: ARG002
        with self._call("stop", name):
            container = self._known(name)
            if container.is_active:
                container.stop()
                self._tell(name, "die")
            return container.seen

    async def pause(self, name: str) -> None:
        with self._call("pause", name):
            self._known(name).pause()
            self._tell(name, "pause")

    async def unpause(self, name: str) -> None:
        with self._call("unpause", name):
            self._known(name).unpause()
            self._tell(name, "unpause")

    async def kill(self, name: str, *, signal: str) -> None:
        with self._call("kill", name):
            container = self._known(name)
            was_active = container.is_active
            container.kill(signal.removeprefix("SIG"))
            if was_active and not container.is_active:
                self._tell(name, "die")

    async def update(self, name: str, limits: Limits) -> None:
        with self._call("update", name):
            self._known(name).limits = limits

    async def remove(self, name: str, *, force: bool) -> None:
        with self._call("remove", name):
            container = self._containers.get(name)
            if container is None:
                return
            if container.is_active and not force:
                raise EngineConflict(f"You cannot remove the running container {name}")
            self.disappear(name)

    async def inspect(self, name: str) -> EngineContainer | None:
        with self._call("inspect", name):
            if name in self.unseen:
                raise EngineOutcomeUnknown(f"The engine fails to show {name}")
            container = self._containers.get(name)
            return container.seen if container else None

    async def list(self, labels: dict[str, str]) -> EngineListing:
        with self._call("list"):
            every = [container.seen for container in self._containers.values()]
            found = [each for each in every if labels.items() <= each.labels.items()]
            return EngineListing(
                containers=tuple(each for each in found if each.name not in self.unseen),
                unseen=frozenset(each.name for each in found if each.name in self.unseen),
            )

    def events(self, *, labels: dict[str, str]) -> AsyncGenerator[EngineEvent]:
        """Listens from now on, however late the reading begins."""
        with self._call("events"):
            queue = asyncio.Queue[EngineEvent](EVENTS_KEPT)
            self._listeners.append((labels, queue))
            return self._read_events(queue)

    async def logs(self, name: str, *, follow: bool) -> AsyncGenerator[LogFrame]:
        with self._call("logs", name):
            container = self._known(name)
        async for frame in container.logs(follow=follow):
            yield frame

    async def put_files(self, name: str, path: str, tar: AsyncIterator[bytes]) -> None:
        with self._call("put_files", name):
            self._known(name).put(path, b"".join([piece async for piece in tar]))

    async def get_files(self, name: str, path: str) -> AsyncGenerator[bytes]:
        with self._call("get_files", name):
            yield self._known(name).get(path)

    async def commit(self, name: str, *, tag: str, labels: dict[str, str]) -> EngineImage:
        with self._call("commit", name):
            container = self._known(name)
            return self.images.add(tag, {**container.seen.labels, **labels}, container.files)

    async def tag(self, image: str, tag: str) -> None:
        with self._call("tag", image):
            self.images.tag(image, tag)

    async def find_image(self, reference: str) -> EngineImage | None:
        with self._call("find_image", reference):
            return self.images.find(reference)

    async def pull(self, reference: str) -> EngineImage:
        with self._call("pull", reference):
            return self.images.get(reference)

    async def ensure_network(
        self,
        name: str,
        *,
        labels: dict[str, str],
        hosts: int = FEW_HOSTS,  # noqa: ARG002
    ) -> None:
        with self._call("ensure_network", name):
            found = self.networks.setdefault(name, labels)
            if not labels.items() <= found.items():
                raise EngineConflict(f"There is another network {name}, which is not ours.")

    async def join_network(self, container: str, network: str) -> None:
        with self._call("join_network", network):
            self._known(container).network_is_lost = False

    async def remove_network(self, name: str) -> None:
        with self._call("remove_network", name):
            users = [c for c in self._containers.values() if c.spec.network == name]
            if any(container.is_active for container in users):
                raise EngineConflict(f"The network {name} is in use")
            self.networks.pop(name, None)
            for container in users:
                container.network_is_lost = True

    async def list_networks(self, labels: dict[str, str]) -> Sequence[EngineNetwork]:
        with self._call("list_networks", ""):
            return [
                EngineNetwork(name=name, labels=found)
                for name, found in self.networks.items()
                if labels.items() <= found.items()
            ]

    async def build_image(
        self, request: ImageBuildRequest, context: AsyncIterator[bytes]
    ) -> AsyncGenerator[BuildOutput]:
        with self._call("build_image", request.tag):
            async for _ in context:
                pass
            if request.network not in self.networks:
                yield BuildOutput(stream="stderr", error=f"network {request.network} not found")
                return
            async for output in self.images.build(request, self.image_program):
                yield output

    # How it does it

    @contextmanager
    def _call(self, method: str, subject: str = "") -> Generator[None]:
        self.calls.append((method, subject))
        if not self.reachable:
            raise EngineUnavailable("The engine cannot be reached")
        failure = self._failures.pop(method, None)
        if failure and not failure.after_effect:
            raise failure.error
        yield
        if failure:
            raise failure.error

    def _known(self, name: str) -> MemoryContainer:
        container = self._containers.get(name)
        if container is None:
            raise ContainerNotFound(name)
        return container

    def _check_network(self, container: MemoryContainer) -> None:
        if container.network_is_lost and not container.is_active:
            raise NetworkNotFound(f"network {container.spec.network} not found")

    def _create(self, spec: EngineContainerSpec) -> MemoryContainer:
        image = self.images.get(spec.image)
        known = self._containers.get(spec.name)
        if known is not None:
            ours = {k: v for k, v in spec.labels.items() if k.startswith(OURS)}
            if ours and ours.items() <= known.seen.labels.items():
                return known
            raise EngineConflict(f"{spec.name} exists and is not ours")
        self._created += 1
        program = self.programs.get(spec.command, Program())
        container = MemoryContainer(
            spec, image, program, number=self._created, now=lambda: datetime.now(UTC)
        )
        container.files.update(self.images.files(image.image_id))
        self._containers[spec.name] = container
        self._tell(spec.name, "create")
        return container

    def _tell(self, name: str, action: str) -> None:
        seen = self._known(name).seen
        event = EngineEvent(container=name, action=action, at=datetime.now(UTC), labels=seen.labels)
        for labels, queue in self._listeners:
            if labels.items() <= seen.labels.items() and not queue.full():
                queue.put_nowait(event)  # a full queue loses events, as the engine does

    async def _read_events(self, queue: asyncio.Queue[EngineEvent]) -> AsyncGenerator[EngineEvent]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners = [each for each in self._listeners if each[1] is not queue]
