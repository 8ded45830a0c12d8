"""The read side in memory: the same folds over the log, always up to its head."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from domain.builds.state import Phase
from domain.containers.state import Status
from domain.ports import EventStore
from projections import cursor
from projections.answer import Answer, Page
from projections.audit import AUDIT, AuditRow
from projections.build_rows import BuildDetails, BuildRow, SteppingBuild
from projections.builds import BUILDS
from projections.catalog import READ_MODELS
from projections.containers import (
    CONTAINERS,
    ContainerDetails,
    ContainerRow,
    LivingContainer,
    NamedContainer,
)
from projections.errors import ProjectionBehind
from projections.keys import KEYS, KeyRow
from projections.model import Key, ReadModel
from projections.queries import (
    EVERYTHING,
    FIRST,
    MAX_PAGE,
    AuditFilter,
    ProjectionStatus,
    Slice,
)
from projections.statistics import STATISTICS, EventCount

Row = TypeVar("Row", bound=msgspec.Struct)
VERSION = 1

STEPPING = frozenset({Phase.RESOLVING, Phase.PREPARING, Phase.BUILDING})


class InMemoryQueries:
    """Implements `projections.queries.Queries` over any store, by folding what is new."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._position = 0
        self._changed_at: datetime | None = None
        self._rows: dict[str, dict[Key, Any]] = {model.name: {} for model in READ_MODELS}

    async def list_containers(
        self,
        tenant: str,
        *,
        status: Status | None = None,
        name: str | None = None,
        page: Slice = FIRST,
    ) -> Page[ContainerRow]:
        rows = [
            _part(ContainerRow, row)
            for row in await self._of(CONTAINERS, tenant, page.min_position)
            if status in {None, row.status} and row.name.startswith(name or "")
        ]
        return self._page(CONTAINERS, rows, page, lambda row: row.created_position)

    async def get_container(
        self, tenant: str, container_id: str, *, min_position: int = 0
    ) -> Answer[ContainerDetails | None]:
        await self._catch_up(CONTAINERS, min_position)
        return self._answer(CONTAINERS, self._rows["containers"].get((tenant, container_id)))

    async def list_stepping_builds(
        self, tenant: str | None = None
    ) -> Answer[tuple[SteppingBuild, ...]]:
        stepping = [
            SteppingBuild(tenant=row.tenant, build_id=row.build_id)
            for row in await self._of(BUILDS, tenant, 0)
            if row.kind == "rpm" and row.phase in STEPPING
        ]
        stepping.sort(key=lambda row: (row.tenant, row.build_id))
        return self._answer(BUILDS, tuple(stepping))

    async def find_containers_named(
        self, tenant: str, name: str, *, min_position: int = 0
    ) -> Answer[tuple[NamedContainer, ...]]:
        named = [
            row
            for row in await self._of(CONTAINERS, tenant, min_position)
            if row.name == name and row.status is not Status.REMOVED
        ]
        named.sort(key=lambda row: row.created_position)
        return self._answer(CONTAINERS, tuple(_part(NamedContainer, row) for row in named))

    async def list_living_containers(
        self, tenant: str | None = None
    ) -> Answer[tuple[LivingContainer, ...]]:
        living = [
            _part(LivingContainer, row)
            for row in await self._of(CONTAINERS, tenant, 0)
            if row.status is not Status.REMOVED and row.engine_name is not None
        ]
        living.sort(key=lambda row: (row.tenant, row.container_id))
        return self._answer(CONTAINERS, tuple(living))

    async def list_builds(
        self,
        tenant: str,
        *,
        phase: Phase | None = None,
        name: str | None = None,
        page: Slice = FIRST,
    ) -> Page[BuildRow]:
        rows = [
            _part(BuildRow, row)
            for row in await self._of(BUILDS, tenant, page.min_position)
            if phase in {None, row.phase} and row.name.startswith(name or "")
        ]
        return self._page(BUILDS, rows, page, lambda row: row.created_position)

    async def get_build(
        self, tenant: str, build_id: str, *, min_position: int = 0
    ) -> Answer[BuildDetails | None]:
        await self._catch_up(BUILDS, min_position)
        return self._answer(BUILDS, self._rows["builds"].get((tenant, build_id)))

    async def list_audit(
        self, tenant: str, *, wanted: AuditFilter = EVERYTHING, page: Slice = FIRST
    ) -> Page[AuditRow]:
        rows = [
            row
            for row in await self._of(AUDIT, tenant, page.min_position)
            if _is_wanted(row, wanted)
        ]
        return self._page(AUDIT, rows, page, lambda row: row.first_position)

    async def event_statistics(
        self,
        tenant: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        min_position: int = 0,
    ) -> Answer[tuple[EventCount, ...]]:
        first = since and since.replace(minute=0, second=0, microsecond=0)
        counts = [
            row
            for row in await self._of(STATISTICS, tenant, min_position)
            if (first is None or row.hour >= first) and (until is None or row.hour < until)
        ]
        counts.sort(key=lambda row: (row.hour, row.type))
        return self._answer(STATISTICS, tuple(counts))

    async def find_key(self, key_id: str, *, min_position: int = 0) -> KeyRow | None:
        found = [row for row in await self._of(KEYS, None, min_position) if row.key_id == key_id]
        return found[0] if len(found) == 1 else None

    async def list_keys(self, tenant: str, *, min_position: int = 0) -> Answer[tuple[KeyRow, ...]]:
        keys = await self._of(KEYS, tenant, min_position)
        return self._answer(KEYS, tuple(sorted(keys, key=lambda key: (key.created_at, key.key_id))))

    async def list_projections(self) -> tuple[ProjectionStatus, ...]:
        await self._catch_up(KEYS, 0)
        if self._changed_at is None:
            return ()
        return tuple(
            ProjectionStatus(
                name=model.name,
                version=VERSION,
                code_version=model.code_version,
                state="active",
                active=True,
                position=self._position,
                lag=0,
                dead_letters=0,
                changed_at=self._changed_at,
            )
            for model in sorted(READ_MODELS, key=lambda model: model.name)
        )

    async def _of(self, model: ReadModel[Row], tenant: str | None, min_position: int) -> list[Row]:
        await self._catch_up(model, min_position)
        return [row for key, row in self._rows[model.name].items() if tenant in {None, key[0]}]

    async def _catch_up(self, model: ReadModel[Any], min_position: int) -> None:
        while events := await self._store.read_log(self._position):
            for each in READ_MODELS:
                rows = self._rows[each.name]
                rows |= each.fold(rows, each.relevant(events))
            self._position = events[-1].position
            self._changed_at = events[-1].recorded_at
        if self._position < min_position:
            raise ProjectionBehind(model.name, self._position, min_position)

    def _page(
        self,
        model: ReadModel[Any],
        rows: Iterable[Row],
        page: Slice,
        order: Callable[[Row], int],
    ) -> Page[Row]:
        before = cursor.decode(model.name, page.after)
        limit = max(1, min(page.limit, MAX_PAGE))
        older = sorted((row for row in rows if order(row) < before), key=order, reverse=True)
        items = tuple(older[:limit])
        following = cursor.encode(model.name, order(items[-1])) if len(older) > limit else None
        return Page(
            items=items,
            next=following,
            projection=model.name,
            version=VERSION,
            position=self._position,
        )

    def _answer(self, model: ReadModel[Any], value: Any) -> Answer[Any]:
        return Answer(value=value, projection=model.name, version=VERSION, position=self._position)


def _part(row_type: type[Row], row: msgspec.Struct) -> Row:
    """What a list shows of the details."""
    return row_type(**{name: getattr(row, name) for name in row_type.__struct_fields__})


def _is_wanted(row: AuditRow, wanted: AuditFilter) -> bool:
    return (
        wanted.actor in {None, row.actor}
        and wanted.target in {None, row.target}
        and wanted.command in {None, row.command}
        and wanted.outcome in {None, row.outcome}
        and (wanted.since is None or row.recorded_at >= wanted.since)
        and (wanted.until is None or row.recorded_at < wanted.until)
    )
