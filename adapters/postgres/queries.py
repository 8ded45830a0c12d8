"""The read side on PostgreSQL: rows, position and version of one answer from one statement."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import psycopg

from adapters.postgres.errors import translated
from adapters.postgres.projection_progress import ProjectionProgress
from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from domain.builds.state import Phase
from domain.containers.state import Status
from domain.errors import StoreUnavailable
from projections import cursor
from projections.answer import Answer, Page, Stamp
from projections.audit import AUDIT, AuditRow
from projections.build_rows import BuildDetails, BuildRow, SteppingBuild
from projections.builds import BUILDS
from projections.containers import (
    CONTAINERS,
    ContainerDetails,
    ContainerRow,
    LivingContainer,
    NamedContainer,
)
from projections.errors import ProjectionBehind
from projections.keys import KEYS, KeyRow
from projections.model import ReadModel
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
READERS = 4
WAIT_SECONDS = 5.0
POLL_SECONDS = 0.5

STAMPED = """
SELECT p.version, p.position, (SELECT json_agg(q)::text FROM ({query}) q)
FROM read_models.projections p WHERE p.name = %(projection)s AND p.state = 'active'
"""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of a read model, and the rows that it gives. order: the column of its pages."""

    projection: str
    sql: str
    rows: msgspec.json.Decoder[Any]
    order: str = ""


def _query(model: ReadModel[Any], block: str, row: type[Any], order: str = "") -> Query:
    columns = ", ".join(row.__struct_fields__)
    rows: Any = list[row]  # type: ignore[valid-type]  # a type made here
    return Query(
        projection=model.name,
        sql=STAMPED.replace("{query}", model.sql[block].replace("{columns}", columns)),
        rows=msgspec.json.Decoder(rows),
        order=order,
    )


LIST_CONTAINERS = _query(CONTAINERS, "list", ContainerRow, "created_position")
GET_CONTAINER = _query(CONTAINERS, "get", ContainerDetails)
STEPPING_BUILDS = _query(BUILDS, "stepping", SteppingBuild)
NAMED_CONTAINERS = _query(CONTAINERS, "named", NamedContainer)
LIVING_CONTAINERS = _query(CONTAINERS, "living", LivingContainer)
LIST_BUILDS = _query(BUILDS, "list", BuildRow, "created_position")
GET_BUILD = _query(BUILDS, "get", BuildDetails)
LIST_AUDIT = _query(AUDIT, "list", AuditRow, "first_position")
LIST_STATISTICS = _query(STATISTICS, "list", EventCount)
FIND_KEY = _query(KEYS, "find", KeyRow)
LIST_KEYS = _query(KEYS, "list", KeyRow)


class PostgresQueries:
    """Implements `projections.queries.Queries`."""

    def __init__(
        self, url: str, *, readers: int = READERS, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._pool = TenantPool(url, "queries", size=readers)
        self._progress = ProjectionProgress(url)
        self._registry = ProjectionRegistry(url)
        self._wait_seconds = wait_seconds

    async def start(self) -> None:
        """Returns at once: a database that is away is waited for by whoever asks."""
        await self._pool.open()

    async def stop(self) -> None:
        await self._progress.stop()
        await self._pool.close()

    async def list_containers(
        self,
        tenant: str,
        *,
        status: Status | None = None,
        name: str | None = None,
        page: Slice = FIRST,
    ) -> Page[ContainerRow]:
        return await self._page(LIST_CONTAINERS, tenant, {"status": status, "name": name}, page)

    async def get_container(
        self, tenant: str, container_id: str, *, min_position: int = 0
    ) -> Answer[ContainerDetails | None]:
        return await self._one(GET_CONTAINER, tenant, {"id": container_id}, min_position)

    async def find_containers_named(
        self, tenant: str, name: str, *, min_position: int = 0
    ) -> Answer[tuple[NamedContainer, ...]]:
        return await self._all(NAMED_CONTAINERS, tenant, {"name": name}, min_position)

    async def list_living_containers(
        self, tenant: str | None = None
    ) -> Answer[tuple[LivingContainer, ...]]:
        return await self._all(LIVING_CONTAINERS, tenant, {}, 0)

    async def list_builds(
        self,
        tenant: str,
        *,
        phase: Phase | None = None,
        name: str | None = None,
        page: Slice = FIRST,
    ) -> Page[BuildRow]:
        return await self._page(LIST_BUILDS, tenant, {"phase": phase, "name": name}, page)

    async def list_stepping_builds(
        self, tenant: str | None = None
    ) -> Answer[tuple[SteppingBuild, ...]]:
        return await self._all(STEPPING_BUILDS, tenant, {}, 0)

    async def get_build(
        self, tenant: str, build_id: str, *, min_position: int = 0
    ) -> Answer[BuildDetails | None]:
        return await self._one(GET_BUILD, tenant, {"id": build_id}, min_position)

    async def list_audit(
        self, tenant: str, *, wanted: AuditFilter = EVERYTHING, page: Slice = FIRST
    ) -> Page[AuditRow]:
        return await self._page(LIST_AUDIT, tenant, msgspec.structs.asdict(wanted), page)

    async def event_statistics(
        self,
        tenant: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        min_position: int = 0,
    ) -> Answer[tuple[EventCount, ...]]:
        wanted = {"since": since, "until": until}
        return await self._all(LIST_STATISTICS, tenant, wanted, min_position)

    async def find_key(self, key_id: str, *, min_position: int = 0) -> KeyRow | None:
        _, rows = await self._fetch(FIND_KEY, EVERY_TENANT, {"id": key_id}, min_position)
        return rows[0] if len(rows) == 1 else None

    async def list_keys(self, tenant: str, *, min_position: int = 0) -> Answer[tuple[KeyRow, ...]]:
        return await self._all(LIST_KEYS, tenant, {}, min_position)

    async def list_projections(self) -> tuple[ProjectionStatus, ...]:
        return await self._registry.list_statuses()

    async def _page(
        self, query: Query, tenant: str, wanted: Mapping[str, object], page: Slice
    ) -> Page[Any]:
        before = cursor.decode(query.projection, page.after)
        limit = max(1, min(page.limit, MAX_PAGE))
        parameters = {**wanted, "before": before, "limit": limit + 1}
        stamp, rows = await self._fetch(query, tenant, parameters, page.min_position)
        items = tuple(rows[:limit])
        following = None
        if len(rows) > limit:
            following = cursor.encode(query.projection, getattr(items[-1], query.order))
        return Page(items=items, next=following, **msgspec.structs.asdict(stamp))

    async def _one(
        self, query: Query, tenant: str, wanted: Mapping[str, object], min_position: int
    ) -> Answer[Any]:
        stamp, rows = await self._fetch(query, tenant, wanted, min_position)
        return Answer(value=rows[0] if rows else None, **msgspec.structs.asdict(stamp))

    async def _all(
        self, query: Query, tenant: str | None, wanted: Mapping[str, object], min_position: int
    ) -> Answer[tuple[Any, ...]]:
        stamp, rows = await self._fetch(query, tenant, wanted, min_position)
        return Answer(value=tuple(rows), **msgspec.structs.asdict(stamp))

    async def _fetch(
        self, query: Query, tenant: str | None, wanted: Mapping[str, object], min_position: int
    ) -> tuple[Stamp, list[Any]]:
        """Raises ProjectionBehind when the read model does not come there in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_seconds
        while True:
            moved = self._progress.next() if min_position else None
            stamp, rows = await self._fetch_now(query, tenant, wanted)
            if moved is None or stamp.position >= min_position:
                return stamp, _decoded(query, rows)
            remaining = deadline - loop.time()
            if remaining <= 0:
                raise ProjectionBehind(query.projection, stamp.position, min_position)
            await _wait(moved, min(remaining, POLL_SECONDS))

    async def _fetch_now(
        self, query: Query, tenant: str | None, wanted: Mapping[str, object]
    ) -> tuple[Stamp, str | None]:
        try:
            with translated():
                async with self._pool.connection(tenant) as connection:
                    found = await connection.execute(
                        query.sql.encode(),
                        {**wanted, "tenant": tenant, "projection": query.projection},
                    )
                    row = await found.fetchone()
        except psycopg.errors.UndefinedColumn as error:
            raise _of_another_form(query) from error
        if row is None:
            raise StoreUnavailable(f"{query.projection} is not there yet. Start a projector.")
        version, position, rows = row
        return Stamp(projection=query.projection, version=version, position=position), rows


def _decoded(query: Query, rows: str | None) -> list[Any]:
    try:
        return query.rows.decode(rows) if rows else []
    except msgspec.ValidationError as error:
        raise _of_another_form(query) from error


def _of_another_form(query: Query) -> StoreUnavailable:
    """After an upgrade, until the version of its projector's form has taken the old one's place."""
    return StoreUnavailable(
        f"The rows of {query.projection} have the form of an earlier release. They are made anew:"
        " see `eulermaker projections list`."
    )


async def _wait(moved: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await moved.wait()
    except TimeoutError:
        pass
