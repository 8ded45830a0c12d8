"""What the HTTP face is made of: ports, handed in by bootstrap; nothing here is global."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
from prometheus_client import CollectorRegistry

from adapters.limits import RateLimits
from api.http.container_names import ContainerNames
from api.settings import Settings
from domain.application.command_handler import CommandHandler
from domain.event import RecordedEvent
from domain.ports import (
    BlobStore,
    Clock,
    EngineSize,
    EventStore,
    Identities,
    Ids,
    LogStore,
    LogWakeUps,
    SecretVault,
)
from projections.queries import Queries

ReadinessCheck = Callable[[], Awaitable[str | None]]
"""What this part still waits for, in words for an operator; None when it is ready."""


class Tail(Protocol):
    """New events as they are recorded: one reader of the log per process.

    pace_seconds: how long news may wait for more, so that they are read together.
    """

    pace_seconds: float

    @property
    def position(self) -> int:
        """The last one that is known to be recorded, 0 as long as none is."""
        ...

    async def read(self, after: int, limit: int = ...) -> Sequence[RecordedEvent]:
        """Events with position > after, in order. Raises StoreUnavailable."""
        ...

    async def wait(self, after: int, timeout_seconds: float) -> int:
        """The position as soon as it is beyond `after`, or at the timeout."""
        ...


class Tickets(Protocol):
    """One-time passes for clients that cannot send a header with their WebSocket."""

    async def put(self, ticket_sha256: str, key_id: str, *, seconds: int) -> None: ...

    async def take(self, ticket_sha256: str) -> str | None:
        """The key id, once, while it has not expired."""
        ...


class ImageCheck(Protocol):
    async def why_missing(self, reference: str) -> str | None:
        """A sentence where it is neither here nor can be pulled.

        None where it is to be had, or where that cannot be found out now.
        """
        ...


class Machine(Protocol):
    async def size(self) -> EngineSize | None:
        """Of the engine's machine; None where that cannot be found out now."""
        ...


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a rebuilt version of a projection says the same as the active one.

    differences: the first of them, in words.
    """

    name: str
    active_version: int
    version: int
    equal: bool
    rows: int
    differences: tuple[str, ...] = ()


class ProjectionControl(Protocol):
    """Raises UnknownProjection, ProjectionNotReady."""

    async def rebuild(self, name: str) -> int:
        """Begin a new version beside the active one; its number."""
        ...

    async def compare(self, name: str, version: int) -> Comparison: ...

    async def switch(self, name: str, version: int) -> None:
        """Readers see this version from now on; the old one is kept."""
        ...


@dataclass(frozen=True, kw_only=True)
class HttpParts:
    """registry: what /metrics shows; others register their metrics in it, too.

    names: of containers, given to one of them at a time.
    revocations: one at a time, so that no two admins count on each other's key.
    """

    settings: Settings
    handler: CommandHandler
    store: EventStore
    queries: Queries
    tail: Tail
    blobs: BlobStore
    logs: LogStore
    log_wake_ups: LogWakeUps
    secrets: SecretVault
    identities: Identities
    rate_limits: RateLimits
    tickets: Tickets
    images: ImageCheck
    machine: Machine
    projections: ProjectionControl
    clock: Clock
    ids: Ids
    readiness: Mapping[str, ReadinessCheck] = field(default_factory=dict[str, ReadinessCheck])
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    names: ContainerNames = field(default_factory=ContainerNames)
    revocations: asyncio.Lock = field(default_factory=asyncio.Lock)
