"""Which versions of the read models there are, and which of each is read."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from adapters.postgres.connections import AsyncConnection, parameters
from adapters.postgres.errors import translated
from adapters.postgres.projection_tables import ProjectionTable
from adapters.postgres.read_models import LOCK_CLASS
from projections.catalog import READ_MODELS
from projections.errors import ProjectionNotReady, UnknownProjection
from projections.model import ReadModel
from projections.queries import ProjectionState, ProjectionStatus

REGISTRY_LOCK = 0x656D7265  # "emre"
STATEMENT_SECONDS = 600
KEPT_RETIRED = 1

VERSIONS = """
SELECT name, version, code_version, state, position, switch_when_ready
FROM read_models.projections WHERE name = %s ORDER BY version
"""
STATUS = """
SELECT p.name, p.version, p.code_version, p.state, p.state = 'active' AS active, p.position,
    CASE p.state WHEN 'retired' THEN 0 ELSE greatest(h.position - p.position, 0) END AS lag,
    p.error, p.changed_at,
    (SELECT count(*) FROM read_models.dead_letters d
        WHERE d.name = p.name AND d.version = p.version) AS dead_letters
FROM read_models.projections p, log.log_head h ORDER BY p.name, p.version
"""
# Leadership is a session lock, see `read_models.Follower`.
LEADERLESS = """
SELECT name, version, code_version, state, position, switch_when_ready
FROM read_models.projections p WHERE state <> 'retired' AND NOT EXISTS (
    SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid::bigint = %s AND l.objid::bigint
        = hashtext('projection ' || p.name || ' ' || p.version)::bigint & 4294967295
)
"""
INSERT = """
INSERT INTO read_models.projections (name, version, code_version, state, switch_when_ready)
VALUES (%s, %s, %s, %s, %s)
"""
SET_STATE = """
UPDATE read_models.projections
SET state = %s, switch_when_ready = false, changed_at = clock_timestamp()
WHERE name = %s AND version = %s
"""
REVIVE = """
UPDATE read_models.projections
SET state = 'building', switch_when_ready = true, changed_at = clock_timestamp()
WHERE name = %s AND version = %s AND state IN ('ready', 'retired')
"""
SET_POLICY = """
INSERT INTO read_models.policies (name, on_poison) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET on_poison = excluded.on_poison
"""
START_OVER = """
UPDATE read_models.projections
SET position = 0, error = '', changed_at = clock_timestamp() WHERE name = %s AND version = %s
"""
HEAD = "SELECT position FROM log.log_head"
ISOLATE = "SELECT read_models.isolate_tables()"
UNBURY = "DELETE FROM read_models.dead_letters WHERE name = %s AND version = %s"
FORGET = "DELETE FROM read_models.projections WHERE name = %s AND version = %s"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: int
    code_version: int
    state: ProjectionState
    position: int
    switch_when_ready: bool


class ProjectionRegistry:
    """Every change is one transaction, and one at a time. Raises StoreUnavailable."""

    def __init__(self, url: str, models: Sequence[ReadModel[Any]] = READ_MODELS) -> None:
        self._url = url
        self._models = tuple(models)

    async def ensure(self) -> None:
        """A version of each read model that this program can follow.

        The first one is read from the start. Where rows of another program's making are read, ours
        are made beside them, or taken up again, and read instead as soon as they are complete.
        """
        async with self._change() as connection:
            await connection.execute(ISOLATE)  # tables of an older program's making
            for model in self._models:
                await self._ensure(connection, model)

    async def start_over(self) -> None:
        """After another log took the place of the one that the rows were made from."""
        async with self._change() as connection:
            for model in self._models:
                for version in await _versions(connection, model.name):
                    await _start_over(connection, model, version)

    async def list_statuses(self) -> tuple[ProjectionStatus, ...]:
        async with self._connection() as connection:
            cursor = connection.cursor(row_factory=class_row(ProjectionStatus))
            return tuple(await (await cursor.execute(STATUS)).fetchall())

    async def list_leaderless(self) -> list[Version]:
        """The versions that this program can follow and nobody follows."""
        ours = {(model.name, model.code_version) for model in self._models}
        async with self._connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Version))
            found = await (await cursor.execute(LEADERLESS, [LOCK_CLASS])).fetchall()
        return [v for v in found if (v.name, v.code_version) in ours]

    async def rebuild(self, name: str) -> int:
        """Begin a new version beside the one that is read: the projectors fill it.

        Those made earlier that nobody reads go, but for the newest to go back to, and one that is
        to be switched to.
        """
        model = self._model(name)
        async with self._change() as connection:
            known = await _versions(connection, name)
            for old in _superseded(known):
                await connection.execute(ProjectionTable(model, old.version).drop)
                await connection.execute(FORGET, [name, old.version])
            return await _begin(connection, model, known, "building")

    async def complete(self, name: str, version: int) -> None:
        """It has reached the end of the log: make its indexes, let it be switched to.

        Raises UnknownProjection when a later rebuild has taken its place.
        """
        table = ProjectionTable(self._model(name), version)
        async with self._change() as connection:
            state = _find(await _versions(connection, name), name, version)
            if state.state != "building":
                return
            for statement in table.indexes:
                await connection.execute(statement)
            await connection.execute(SET_STATE, ["ready", name, version])
            if state.switch_when_ready:
                await _switch(connection, table)

    async def switch(self, name: str, version: int | None = None) -> int:
        """Read this version from now on, by default the newest that is ready.

        A retired one goes on from where it stopped. Raises UnknownProjection, ProjectionNotReady.
        """
        model = self._model(name)
        async with self._change() as connection:
            known = await _versions(connection, name)
            chosen = _newest_ready(known, name) if version is None else _find(known, name, version)
            if chosen.state == "building":
                raise ProjectionNotReady(name, chosen.version, "is still being built")
            if chosen.code_version != model.code_version:
                raise ProjectionNotReady(
                    name, chosen.version, "is of another release: start that one to go back to it"
                )
            if chosen.state != "active":
                await _switch(connection, ProjectionTable(model, chosen.version))
            return chosen.version

    async def set_policy(self, name: str, on_poison: str) -> None:
        """`stop` at an event that cannot be projected, or `skip` it; from the next leader on."""
        self._model(name)
        async with self._change() as connection:
            await connection.execute(SET_POLICY, [name, on_poison])

    async def _ensure(self, connection: AsyncConnection, model: ReadModel[Any]) -> None:
        known = await _versions(connection, model.name)
        head = await (await connection.execute(HEAD)).fetchone()
        for version in known:
            if head is not None and version.position > head[0]:
                await _start_over(connection, model, version)  # rows of a log that is no more
        if not known:
            table = ProjectionTable(model, await _begin(connection, model, known, "active"))
            for statement in (*table.indexes, *table.views):
                await connection.execute(statement)
            return
        ours = [v for v in known if v.code_version == model.code_version]
        if any(v.state == "active" or v.switch_when_ready for v in ours):
            return
        if ours:
            await connection.execute(REVIVE, [model.name, ours[-1].version])
        else:
            await _begin(connection, model, known, "building", switch_when_ready=True)

    def _model(self, name: str) -> ReadModel[Any]:
        found = next((model for model in self._models if model.name == name), None)
        if found is None:
            raise UnknownProjection(name, known=(model.name for model in self._models))
        return found

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection]:
        settings = parameters("projection registry", statement_seconds=STATEMENT_SECONDS)
        with translated():
            connection = await psycopg.AsyncConnection.connect(self._url, **settings)
            async with connection:
                yield connection

    @asynccontextmanager
    async def _change(self) -> AsyncGenerator[AsyncConnection]:
        async with self._connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = 0")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [REGISTRY_LOCK])
            await connection.execute("SET LOCAL lock_timeout = '10s'")
            yield connection


async def _versions(connection: AsyncConnection, name: str) -> list[Version]:
    cursor = connection.cursor(row_factory=class_row(Version))
    return await (await cursor.execute(VERSIONS, [name])).fetchall()


async def _begin(
    connection: AsyncConnection,
    model: ReadModel[Any],
    known: Sequence[Version],
    state: ProjectionState,
    *,
    switch_when_ready: bool = False,
) -> int:
    version = max((v.version for v in known), default=0) + 1
    await connection.execute(
        INSERT, [model.name, version, model.code_version, state, switch_when_ready]
    )
    await connection.execute(ProjectionTable(model, version).create)
    await connection.execute(ISOLATE)
    return version


async def _start_over(connection: AsyncConnection, model: ReadModel[Any], version: Version) -> None:
    await connection.execute(ProjectionTable(model, version.version).empty)
    await connection.execute(UNBURY, [model.name, version.version])
    await connection.execute(START_OVER, [model.name, version.version])


async def _switch(connection: AsyncConnection, table: ProjectionTable) -> None:
    """Readers see the one or the other, each with its own position."""
    name = table.model.name
    for version in await _versions(connection, name):
        if version.state == "active":
            await connection.execute(SET_STATE, ["retired", name, version.version])
    await connection.execute(SET_STATE, ["active", name, table.version])
    for statement in table.views:
        await connection.execute(statement)
    await connection.execute("SELECT pg_notify('eulermaker_projection', %s)", [name])


def _superseded(known: Sequence[Version]) -> list[Version]:
    retired = [v for v in known if v.state == "retired"]
    unread = [v for v in known if v.state in {"building", "ready"} and not v.switch_when_ready]
    return retired[:-KEPT_RETIRED] + unread


def _find(known: Sequence[Version], name: str, version: int) -> Version:
    found = next((v for v in known if v.version == version), None)
    if found is None:
        raise UnknownProjection(name, version, known=(v.version for v in known))
    return found


def _newest_ready(known: Sequence[Version], name: str) -> Version:
    ready = [v for v in known if v.state == "ready"]
    if not ready:
        raise ProjectionNotReady(name, None, "has no version that is ready: rebuild it first")
    return ready[-1]
