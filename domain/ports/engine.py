"""The container engine."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, Self

import msgspec

from domain.containers.spec import Limits
from domain.errors import EngineOutcomeUnknown, EngineRefused
from domain.ports.logs import LogFrame, LogStreamName

FEW_HOSTS = 10


class EngineIdentity(msgspec.Struct, frozen=True, kw_only=True):
    engine_id: str
    name: str
    version: str
    api_version: str


class EngineSize(msgspec.Struct, frozen=True, kw_only=True):
    """Of its machine, or of what that machine gives it."""

    processors: int
    memory_bytes: int


class EngineContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that we ever send to an engine when we create a container.

    network: `none` or the name of a network that exists.
    """

    name: str
    image: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    user: str | None = None
    working_directory: str | None = None
    labels: dict[str, str] = {}
    limits: Limits = Limits()
    network: str = "none"
    read_only_root: bool = False
    tmpfs: tuple[str, ...] = ()
    init: bool = True
    stop_grace_seconds: int = 10
    capabilities: tuple[str, ...] = ()
    """Linux capabilities kept; all others are dropped. Only our own build steps need any."""


class EngineContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container as the engine shows it now. status: the engine's own word."""

    engine_id: str
    name: str
    image_id: str
    status: str
    labels: dict[str, str]
    exit_code: int | None = None
    out_of_memory: bool = False
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str = ""


class EngineListing(msgspec.Struct, frozen=True, kw_only=True):
    """unseen: names of containers that are there, and that the engine fails to show."""

    containers: tuple[EngineContainer, ...]
    unseen: frozenset[str] = frozenset()

    @classmethod
    def of(cls, looks: Mapping[str, EngineContainer | BaseException | None]) -> Self:
        """looks: what came of each, by name. Raises errors that are not of one container alone."""
        failed = {name: look for name, look in looks.items() if isinstance(look, BaseException)}
        for error in failed.values():
            if not isinstance(error, EngineOutcomeUnknown | EngineRefused):
                raise error
        seen = (look for look in looks.values() if isinstance(look, EngineContainer))
        return cls(containers=tuple(seen), unseen=frozenset(failed))

    @property
    def names(self) -> frozenset[str]:
        """Of all that are there."""
        return self.unseen.union(container.name for container in self.containers)


class EngineImage(msgspec.Struct, frozen=True, kw_only=True):
    image_id: str
    tags: tuple[str, ...]
    architecture: str
    size: int
    labels: dict[str, str] = {}


class EngineNetwork(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    labels: dict[str, str]


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A wake-up only: what is true is found by inspecting."""

    container: str
    action: str
    at: datetime
    labels: dict[str, str]


class BuildOutput(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an image build: text for its log, or at the end the image."""

    stream: LogStreamName = "stdout"
    text: str = ""
    image_id: str | None = None
    error: str | None = None


class ImageBuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """limits: of each step; its processes are bounded a moment after it has begun.

    network: that exists, and that nothing else uses.
    """

    tag: str
    dockerfile: str
    target: str
    arguments: dict[str, str]
    labels: dict[str, str]
    limits: Limits
    network: str
    cache: bool = True


class ContainerEngine(Protocol):
    """One container engine, addressed by the names that we gave.

    Raises EngineUnavailable (certainly not done), EngineOutcomeUnknown (look first),
    EngineRefused and its subclasses (permanent). What is done already is a success.
    """

    async def identity(self) -> EngineIdentity: ...

    async def create(self, spec: EngineContainerSpec) -> EngineContainer:
        """Create, or adopt the container of that name if its labels say it is the same one.

        Raises EngineConflict for a foreign one, ImageNotFound.
        """
        ...

    async def start(self, name: str) -> EngineContainer:
        """Raises NetworkNotFound: its network may have been pruned meanwhile."""
        ...

    async def stop(self, name: str, *, grace_seconds: int) -> EngineContainer: ...

    async def pause(self, name: str) -> None: ...

    async def unpause(self, name: str) -> None: ...

    async def kill(self, name: str, *, signal: str) -> None:
        """Send at most once; a container that has ended already is a success."""
        ...

    async def update(self, name: str, limits: Limits) -> None: ...

    async def remove(self, name: str, *, force: bool) -> None: ...

    async def inspect(self, name: str) -> EngineContainer | None: ...

    async def list(self, labels: dict[str, str]) -> EngineListing:
        """All containers, running or not, that bear these labels."""
        ...

    def events(self, *, labels: dict[str, str]) -> AsyncIterator[EngineEvent]:
        """Ends, or raises, when the connection does; the caller comes back."""
        ...

    def logs(self, name: str, *, follow: bool) -> AsyncGenerator[LogFrame]:
        """From the first byte on; the same bytes in the same order each time, as far as is kept."""
        ...

    async def put_files(self, name: str, path: str, tar: AsyncIterator[bytes]) -> None: ...

    def get_files(self, name: str, path: str) -> AsyncIterator[bytes]:
        """A tar of that path. Raises EngineRefused where there is no such path."""
        ...

    async def commit(self, name: str, *, tag: str, labels: dict[str, str]) -> EngineImage: ...

    async def tag(self, image: str, tag: str) -> None: ...

    async def find_image(self, reference: str) -> EngineImage | None: ...

    async def pull(self, reference: str) -> EngineImage: ...

    async def ensure_network(
        self, name: str, *, labels: dict[str, str], hosts: int = FEW_HOSTS
    ) -> None:
        """hosts: how many containers it must have room for."""
        ...

    async def join_network(self, container: str, network: str) -> None:
        """Put a container that does not run into this network, in place of a lost one of that
        name."""
        ...

    async def remove_network(self, name: str) -> None: ...

    async def list_networks(self, labels: dict[str, str]) -> Sequence[EngineNetwork]:
        """Those that bear all of these labels."""
        ...

    def build_image(
        self, request: ImageBuildRequest, context: AsyncIterator[bytes]
    ) -> AsyncGenerator[BuildOutput]:
        """Closing the iterator cancels the build."""
        ...


class Watches(Protocol):
    """Remembers when an engine was last watched."""

    async def last(self, engine_id: str) -> datetime | None: ...

    async def save(self, engine_id: str, at: datetime) -> None: ...
