"""What the inside needs of the outside. Adapters implement these; only bootstrap knows which.

Every method may raise the errors of `domain.errors` named at its class. Nothing here waits
for ever: adapters bound every call.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from domain.builds.spec import BuildSpec
from domain.containers.spec import Limits
from domain.event import Append, LogHead, Receipt, RecordedEvent
from domain.processes.effects import AnyEffect


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class Ids(Protocol):
    def new(self) -> str:
        """A new identifier that sorts by time (UUIDv7)."""
        ...


class EventStore(Protocol):
    """The log. Raises StoreUnavailable, StoreOverloaded."""

    async def append(self, append: Append) -> Receipt:
        """Record one command's events, or return the receipt of its first delivery.

        Durable when it returns. Raises ConcurrencyConflict, CommandIdReused.
        """
        ...

    async def find_receipt(self, tenant: str, command_id: str) -> Receipt | None: ...

    async def read_stream(
        self, tenant: str, stream: str, *, after_version: int = 0, limit: int = 1_000
    ) -> Sequence[RecordedEvent]:
        """In order of version."""
        ...

    async def read_log(
        self, after: int, *, limit: int = 1_000, tenant: str | None = None
    ) -> Sequence[RecordedEvent]:
        """Events with position > after, in order; of one tenant or (for our own readers) of all."""
        ...

    async def head(self) -> LogHead: ...


class BlobStat(msgspec.Struct, frozen=True, kw_only=True):
    digest: str
    size: int


class BlobStore(Protocol):
    """Bytes by their SHA-256 (`sha256:<hex>`), per tenant. Raises BlobMissing, BlobDamaged."""

    async def put(self, tenant: str, chunks: AsyncIterator[bytes], *, limit_bytes: int) -> BlobStat:
        """Durable and visible whole, or not at all. Raises BlobTooLarge."""
        ...

    async def stat(self, tenant: str, digest: str) -> BlobStat | None: ...

    def read(self, tenant: str, digest: str) -> AsyncIterator[bytes]:
        """The content in pieces; damage is raised at the latest after the last piece."""
        ...


LogStreamName = Literal["stdout", "stderr"]


class LogChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of one log. sequence from 0 without gaps; offset in bytes over both streams."""

    sequence: int
    stream: LogStreamName
    offset: int
    data: bytes


class LogStore(Protocol):
    """Logs of containers and build steps by subject (`build-<id>/1/rpmbuild/1`)."""

    async def append(self, tenant: str, subject: str, chunks: Sequence[LogChunk]) -> None:
        """Idempotent by sequence."""
        ...

    async def close(self, tenant: str, subject: str) -> None:
        """Nothing will follow: readers that wait are told."""
        ...

    async def end(self, tenant: str, subject: str) -> tuple[int, int, bool]:
        """(next sequence, next offset, closed): (0, 0, False) for an unknown subject."""
        ...

    async def read(
        self, tenant: str, subject: str, *, from_offset: int = 0, limit_bytes: int = 1_048_576
    ) -> Sequence[LogChunk]:
        """Chunks that end after from_offset, oldest first, at least one where there is any."""
        ...


class LogWakeUps(Protocol):
    """Tells readers of a log that more is there. May be lost: readers also poll."""

    async def notify(self, tenant: str, subject: str) -> None: ...

    async def wait(self, tenant: str, subject: str, *, timeout_seconds: float) -> None:
        """Return when something may have come, or at the timeout."""
        ...


class SecretVault(Protocol):
    """Secret values outside the log: encrypted, by reference."""

    async def put(self, tenant: str, value: str) -> tuple[str, str]:
        """(reference, HMAC of the value)."""
        ...

    async def get(self, tenant: str, reference: str) -> str: ...


class Identities(Protocol):
    """What opaque ids are called (`key:<id>`): outside the log, because it may name a person."""

    async def put(self, tenant: str, subject: str, label: str) -> None:
        """The label of a new subject, or another of a known one."""
        ...

    async def labels(self, tenant: str, subjects: Collection[str]) -> Mapping[str, str]:
        """Of those that have one."""
        ...

    async def erase(self, tenant: str, subject: str) -> None:
        """Forgotten when it returns; also where there was nothing."""
        ...


class Watches(Protocol):
    """Remembers when an engine was last watched."""

    async def last(self, engine_id: str) -> datetime | None: ...

    async def save(self, engine_id: str, at: datetime) -> None: ...


class NewEffect(msgspec.Struct, frozen=True, kw_only=True):
    """An effect to be written down. effect_id: the same however often the event is reacted to."""

    effect_id: str
    tenant: str
    stream: str
    position: int
    index: int
    correlation_id: str
    effect: AnyEffect
    delay_seconds: float = 0.0


class Superseding(msgspec.Struct, frozen=True, kw_only=True):
    """Effects of this stream with a lower position that nobody has begun are never done."""

    tenant: str
    stream: str
    position: int


class ClaimedEffect(msgspec.Struct, frozen=True, kw_only=True):
    """An effect that is ours until the lease ends.

    attempt: from 1; above 1 somebody may have done it already.
    superseded: it is not to be done, only reported.
    """

    effect_id: str
    tenant: str
    stream: str
    correlation_id: str
    effect: AnyEffect
    attempt: int
    superseded: bool


class EffectStore(Protocol):
    """The durable to-do list of the process managers. Raises StoreUnavailable."""

    async def position(self, process: str) -> int:
        """Of the last event that this process manager reacted to."""
        ...

    async def write(
        self,
        process: str,
        *,
        after: int,
        position: int,
        effects: Sequence[NewEffect],
        superseding: Sequence[Superseding],
    ) -> bool:
        """Effects and position in one transaction; False if the position was not `after`."""
        ...

    async def claim(
        self, owner: str, *, limit: int, lease_seconds: float
    ) -> Sequence[ClaimedEffect]:
        """What is due, oldest first, at most one per stream at a time (timers aside)."""
        ...

    async def extend(
        self, owner: str, effect_ids: Sequence[str], *, lease_seconds: float
    ) -> None: ...

    async def interrupted(self, owner: str) -> Sequence[str]:
        """Ids of our effects that have been superseded since we claimed them."""
        ...

    async def finish(self, owner: str, effect_id: str) -> None: ...

    async def retry(
        self,
        owner: str,
        effect_id: str,
        *,
        delay_seconds: float,
        reason: str,
        untouched: bool = False,
    ) -> None:
        """untouched: nothing was done this time for certain, so it does not count as an attempt."""
        ...

    async def take_over(self) -> None:
        """End all leases: for an executor that has just become the only one."""
        ...

    async def depth(self) -> int:
        """How many effects are due or under way."""
        ...


FEW_HOSTS = 10


class EngineIdentity(msgspec.Struct, frozen=True, kw_only=True):
    engine_id: str
    name: str
    version: str
    api_version: str


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


class LogFrame(msgspec.Struct, frozen=True, kw_only=True):
    stream: LogStreamName
    data: bytes


class RunningBuild(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str
    build_id: str
    attempt: int
    correlation_id: str


class RunningBuilds(Protocol):
    """Remembers which image builds run, over the end of the process that runs them."""

    async def add(self, running: RunningBuild) -> None: ...

    async def remove(self, running: RunningBuild) -> None: ...

    async def all(self) -> Sequence[RunningBuild]: ...


class ImageBuilds(Protocol):
    """Runs image builds for as long as they take, each in a task of its own."""

    async def start(self, running: RunningBuild, spec: BuildSpec) -> datetime:
        """Returns when it began; a build that runs here already goes on."""
        ...

    async def cancel(self, build_id: str, attempt: int) -> None:
        """Returns once nothing of it runs here any more."""
        ...

    async def recover(self) -> None:
        """Report the builds that ended with the process that ran them."""
        ...

    async def stop(self) -> None: ...


class BuildOutput(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an image build: text for its log, or at the end the image."""

    stream: LogStreamName = "stdout"
    text: str = ""
    image_id: str | None = None
    error: str | None = None


class ImageBuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """limits are honoured by the classic builder only, so it is what runs untrusted files."""

    tag: str
    dockerfile: str
    target: str
    arguments: dict[str, str]
    labels: dict[str, str]
    limits: Limits
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

    async def start(self, name: str) -> EngineContainer: ...

    async def stop(self, name: str, *, grace_seconds: int) -> EngineContainer: ...

    async def restart(self, name: str, *, grace_seconds: int) -> EngineContainer: ...

    async def pause(self, name: str) -> None: ...

    async def unpause(self, name: str) -> None: ...

    async def kill(self, name: str, *, signal: str) -> None:
        """Send at most once; a container that has ended already is a success."""
        ...

    async def update(self, name: str, limits: Limits) -> None: ...

    async def remove(self, name: str, *, force: bool) -> None: ...

    async def inspect(self, name: str) -> EngineContainer | None: ...

    async def list(self, labels: dict[str, str]) -> Sequence[EngineContainer]:
        """All containers, running or not, that bear these labels."""
        ...

    def events(self, *, labels: dict[str, str]) -> AsyncIterator[EngineEvent]:
        """Ends, or raises, when the connection does; the caller comes back."""
        ...

    def logs(self, name: str, *, follow: bool) -> AsyncIterator[LogFrame]:
        """From the first byte on; the same bytes in the same order each time."""
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

    async def remove_network(self, name: str) -> None: ...

    async def list_networks(self, labels: dict[str, str]) -> Sequence[EngineNetwork]:
        """Those that bear all of these labels."""
        ...

    def build_image(
        self, request: ImageBuildRequest, context: AsyncIterator[bytes]
    ) -> AsyncIterator[BuildOutput]:
        """Closing the iterator cancels the build."""
        ...
