"""The read models over a log in memory: what PostgreSQL would answer, at once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from domain.errors import StoreUnavailable
from projections import cursor
from projections.answer import Answer, Page
from projections.audit import AuditRow
from projections.build_rows import BuildDetails, BuildRow, SteppingBuild
from projections.catalog import READ_MODELS, read_model
from projections.containers import ContainerDetails, ContainerRow, LivingContainer, NamedContainer
from projections.errors import ProjectionBehind
from projections.keys import KeyRow
from projections.queries import EVERYTHING, FIRST, AuditFilter, ProjectionStatus, Slice
from projections.statistics import EventCount
from tests.integration.http.tailed_store import TailedStore


class FoldedQueries:
    """Every read model folded from the log when it is asked for."""

    def __init__(self, store: TailedStore) -> None:
        self._store = store

    async def _rows(self, name: str) -> tuple[Any, ...]:
        if self._store.away is not None:
            raise StoreUnavailable
        model, rows = read_model(name), dict[Any, Any]()
        for event in await self._store.read_log(0, limit=100_000):
            key = model.key_of(event)
            row = None if key is None else model.project(rows.get(key), event)
            if row is not None:
                rows[key] = row
        return tuple(rows.values())

    def _stamp(self, name: str, min_position: int) -> dict[str, Any]:
        position = self._store.position
        if min_position > position:
            raise ProjectionBehind(name, position, min_position)
        return {"projection": name, "version": 1, "position": position}

    async def _page(self, name: str, tenant: str, page: Slice, wanted: Mapping[str, Any]) -> Any:
        stamp = self._stamp(name, page.min_position)
        rows = [row for row in await self._rows(name) if row.tenant == tenant]
        for field, value in wanted.items():
            rows = [row for row in rows if value is None or _matches(row, field, value)]
        before = cursor.decode(name, page.after)
        older = [(n, row) for n, row in enumerate(rows) if n < before][::-1]
        shown = older[: page.limit]
        following = cursor.encode(name, shown[-1][0]) if len(older) > page.limit else None
        return Page(items=tuple(row for _, row in shown), next=following, **stamp)

    async def _one(self, name: str, tenant: str, field: str, key: str, at_least: int) -> Any:
        stamp = self._stamp(name, at_least)
        rows = [r for r in await self._rows(name) if (r.tenant, getattr(r, field)) == (tenant, key)]
        return Answer(value=rows[0] if rows else None, **stamp)

    async def list_containers(
        self, tenant: str, *, status: Any = None, name: str | None = None, page: Slice = FIRST
    ) -> Page[ContainerRow]:
        wanted = {"status": status, "name": name}
        found: Page[ContainerRow] = await self._page("containers", tenant, page, wanted)
        return found

    async def get_container(
        self, tenant: str, container_id: str, *, min_position: int = 0
    ) -> Answer[ContainerDetails | None]:
        found: Answer[ContainerDetails | None] = await self._one(
            "containers", tenant, "container_id", container_id, min_position
        )
        return found

    async def find_containers_named(
        self, tenant: str, name: str, *, min_position: int = 0
    ) -> Answer[tuple[NamedContainer, ...]]:
        stamp = self._stamp("containers", min_position)
        rows = [r for r in await self._rows("containers") if (r.tenant, r.name) == (tenant, name)]
        named = (NamedContainer(container_id=r.container_id) for r in rows)
        return Answer(value=tuple(named), **stamp)

    async def list_living_containers(
        self, tenant: str | None = None
    ) -> Answer[tuple[LivingContainer, ...]]:
        raise NotImplementedError

    async def list_stepping_builds(
        self, tenant: str | None = None
    ) -> Answer[tuple[SteppingBuild, ...]]:
        raise NotImplementedError

    async def list_builds(
        self, tenant: str, *, phase: Any = None, name: str | None = None, page: Slice = FIRST
    ) -> Page[BuildRow]:
        found: Page[BuildRow] = await self._page(
            "builds", tenant, page, {"phase": phase, "name": name}
        )
        return found

    async def get_build(
        self, tenant: str, build_id: str, *, min_position: int = 0
    ) -> Answer[BuildDetails | None]:
        found: Answer[BuildDetails | None] = await self._one(
            "builds", tenant, "build_id", build_id, min_position
        )
        return found

    async def list_audit(
        self,
        tenant: str,
        *,
        wanted: AuditFilter = EVERYTHING,
        page: Slice = FIRST,
    ) -> Page[AuditRow]:
        fields = {"actor": wanted.actor, "outcome": wanted.outcome, "command": wanted.command}
        found: Page[AuditRow] = await self._page("audit", tenant, page, fields)
        return found

    async def event_statistics(
        self,
        tenant: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        min_position: int = 0,
    ) -> Answer[tuple[EventCount, ...]]:
        stamp = self._stamp("statistics", min_position)
        rows = [r for r in await self._rows("statistics") if r.tenant == tenant]
        chosen = (r for r in rows if _between(r.hour, since, until))
        return Answer(value=tuple(chosen), **stamp)

    async def find_key(self, key_id: str, *, min_position: int = 0) -> KeyRow | None:
        self._stamp("keys", min_position)
        return next((r for r in await self._rows("keys") if r.key_id == key_id), None)

    async def list_keys(self, tenant: str, *, min_position: int = 0) -> Answer[tuple[KeyRow, ...]]:
        stamp = self._stamp("keys", min_position)
        rows = await self._rows("keys")
        return Answer(value=tuple(r for r in rows if r.tenant == tenant), **stamp)

    async def list_projections(self) -> tuple[ProjectionStatus, ...]:
        return tuple(
            ProjectionStatus(
                name=model.name,
                version=1,
                code_version=model.code_version,
                state="active",
                active=True,
                position=self._store.position,
                lag=0,
                dead_letters=0,
                changed_at=datetime.now(UTC),
            )
            for model in READ_MODELS
        )


def _matches(row: object, field: str, value: object) -> bool:
    """A name is what the row's name begins with."""
    found = getattr(row, field)
    return str(found).startswith(str(value)) if field == "name" else found == value


def _between(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or since <= moment) and (until is None or moment < until)
