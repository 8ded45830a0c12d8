"""The read side as the way in sees it. Every answer says what it was derived from.

`min_position` waits until the read model is there. Every method may raise StoreUnavailable;
those with `min_position` ProjectionBehind, those with a page InvalidCursor.
"""

from datetime import datetime
from typing import Literal, Protocol

import msgspec

from domain.builds.state import Phase
from domain.containers.state import Status
from projections.answer import Answer, Page
from projections.audit import AuditRow, Outcome
from projections.build_rows import BuildDetails, BuildRow, SteppingBuild
from projections.containers import ContainerDetails, ContainerRow, LivingContainer, NamedContainer
from projections.keys import KeyRow
from projections.statistics import EventCount

ProjectionState = Literal["building", "ready", "active", "retired"]
MAX_PAGE = 500


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Equal to what is given; since (inclusive) and until (exclusive) by the time of recording."""

    actor: str | None = None
    target: str | None = None
    command: str | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = AuditFilter()


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list. after: the `next` of the page before; limit: at most MAX_PAGE."""

    after: str | None = None
    limit: int = 50
    min_position: int = 0


FIRST = Slice()


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """lag: events of the log that it has not seen; 0 for a retired one, which stands still until it
    is switched to. error: why it stands still, empty if not.

    version: counts rebuilds; code_version: of the program that its rows are made by.
    """

    name: str
    version: int
    code_version: int
    state: ProjectionState
    active: bool
    position: int
    lag: int
    dead_letters: int
    error: str = ""
    changed_at: datetime


class Queries(Protocol):
    async def list_containers(
        self,
        tenant: str,
        *,
        status: Status | None = None,
        name: str | None = None,
        page: Slice = FIRST,
    ) -> Page[ContainerRow]:
        """Newest first; name: what the name begins with."""
        ...

    async def get_container(
        self, tenant: str, container_id: str, *, min_position: int = 0
    ) -> Answer[ContainerDetails | None]: ...

    async def find_containers_named(
        self, tenant: str, name: str, *, min_position: int = 0
    ) -> Answer[tuple[NamedContainer, ...]]:
        """Those that are called exactly so and are not removed, the oldest first."""
        ...

    async def list_living_containers(
        self, tenant: str | None = None
    ) -> Answer[tuple[LivingContainer, ...]]:
        """Those that the engine should have; of all tenants where none is named."""
        ...

    async def list_builds(
        self,
        tenant: str,
        *,
        phase: Phase | None = None,
        name: str | None = None,
        page: Slice = FIRST,
    ) -> Page[BuildRow]:
        """Newest first; name: what the name begins with."""
        ...

    async def list_stepping_builds(
        self, tenant: str | None = None
    ) -> Answer[tuple[SteppingBuild, ...]]:
        """RPM builds in a step; of all tenants where none is named."""
        ...

    async def get_build(
        self, tenant: str, build_id: str, *, min_position: int = 0
    ) -> Answer[BuildDetails | None]: ...

    async def list_audit(
        self,
        tenant: str,
        *,
        wanted: AuditFilter = EVERYTHING,
        page: Slice = FIRST,
    ) -> Page[AuditRow]:
        """Newest first."""
        ...

    async def event_statistics(
        self,
        tenant: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        min_position: int = 0,
    ) -> Answer[tuple[EventCount, ...]]:
        """By hour, then type."""
        ...

    async def find_key(self, key_id: str, *, min_position: int = 0) -> KeyRow | None:
        """Of whatever tenant: it is the key that says which."""
        ...

    async def list_keys(self, tenant: str, *, min_position: int = 0) -> Answer[tuple[KeyRow, ...]]:
        """Oldest first."""
        ...

    async def list_projections(self) -> tuple[ProjectionStatus, ...]: ...
