"""Are the rows that are read what the log says? Row by row, byte for byte."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel
from psycopg.rows import TupleRow
from psycopg.sql import Composed

from adapters.postgres.connections import AsyncConnection, parameters
from adapters.postgres.errors import translated
from adapters.postgres.event_mapper import EventMapper
from adapters.postgres.projection_tables import ProjectionTable
from adapters.postgres.read_models import load_rows, rows_to_json
from adapters.postgres.rows import SELECT_EVENTS, recorded_event
from domain.event import RecordedEvent
from projections.catalog import READ_MODELS, read_model
from projections.errors import ProjectionNotReady, UnknownProjection
from projections.model import ReadModel

SHOWN_KEYS = 20
PAGE = 1_000
STATEMENT_SECONDS = 600
COMPARE_SECONDS = 30.0
RETRY_SECONDS = 0.02

POSITIONS = """
SELECT version, state, position FROM read_models.projections
WHERE name = %s ORDER BY version DESC
"""
PAGE_OF_LOG = f"{SELECT_EVENTS} WHERE position > %s AND position <= %s ORDER BY position"
DEAD = "SELECT position FROM read_models.dead_letters WHERE name = %s AND version = %s"

NOT_THERE = "is not there: start a projector"
NOT_COMPARED = {
    "active": "is the one that is read: name a rebuilt one to compare with it",
    "building": "is still being built: compare it when it is ready",
    "retired": "is retired and stands still: rebuild, and compare the new version",
}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two sets of rows of one read model, both as of `position`.

    differing: rows that are in one only or not the same in both; keys: the first of them.
    """

    name: str
    version: int
    other_version: int
    position: int
    rows: int
    other_rows: int
    checksum: str
    other_checksum: str
    differing: int
    keys: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        return self.differing == 0


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    projections: tuple[Comparison, ...]

    @property
    def equal(self) -> bool:
        return all(each.equal for each in self.projections)


async def compare(url: str, name: str, version: int | None = None) -> Comparison:
    """The version that is read with a ready one (the newest by default), at one position.

    Raises ProjectionNotReady, also when the two do not meet at a position within a deadline.
    """
    model = read_model(name)
    deadline = asyncio.get_running_loop().time() + COMPARE_SECONDS
    while True:
        async with _snapshot(url) as connection:
            active, ready = await _candidates(connection, name, version)
            if active[1] == ready[1]:
                tables = ProjectionTable(model, active[0]), ProjectionTable(model, ready[0])
                return await _compare(connection, *tables, active[1])
        if asyncio.get_running_loop().time() > deadline:
            raise ProjectionNotReady(name, ready[0], "never was at the position of the other")
        await asyncio.sleep(RETRY_SECONDS)


async def verify_projections(
    url: str, models: Sequence[ReadModel[Any]] = READ_MODELS
) -> Verification:
    """Compare what is read with what the log gives when it is read again from its start.

    All in one snapshot, into temporary tables: nobody waits, and nothing of it stays.
    """
    return Verification(projections=tuple([await _verify(url, model) for model in models]))


async def _verify(url: str, model: ReadModel[Any]) -> Comparison:
    async with _snapshot(url) as connection:
        found = await connection.execute(POSITIONS, [model.name])
        active = next((row for row in await found.fetchall() if row[1] == "active"), None)
        if active is None:
            raise ProjectionNotReady(model.name, None, NOT_THERE)
        version, _, position = active
        fresh = ProjectionTable(model, version, schema="pg_temp")
        await connection.execute(fresh.create)
        dead = await (await connection.execute(DEAD, [model.name, version])).fetchall()
        async for events in _events(connection, position, {row[0] for row in dead}):
            relevant = model.relevant(events)
            rows = await load_rows(connection, fresh, model.keys_to_load(relevant))
            changed = model.fold(rows, relevant)
            await connection.execute(fresh.insert, {"rows": rows_to_json(list(changed.values()))})
        return await _compare(connection, ProjectionTable(model, version), fresh, position)


async def _events(
    connection: AsyncConnection, until: int, without: set[int]
) -> AsyncIterator[list[RecordedEvent]]:
    decode = EventMapper().decode
    for after in range(0, until, PAGE):
        found = await connection.execute(PAGE_OF_LOG, [after, min(after + PAGE, until)])
        events = [recorded_event(row, decode) for row in await found.fetchall()]
        yield [event for event in events if event.position not in without]


async def _candidates(
    connection: AsyncConnection, name: str, version: int | None
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(version, position) of the active one and of the one to compare it with."""
    known = await (await connection.execute(POSITIONS, [name])).fetchall()
    active = [(v, position) for v, state, position in known if state == "active"]
    if not active:
        raise ProjectionNotReady(name, None, NOT_THERE)
    if version is not None:
        versions = [row[0] for row in known]
        known = [row for row in known if row[0] == version]
        if not known:
            raise UnknownProjection(name, version, known=versions)
        if (state := known[0][1]) != "ready":
            raise ProjectionNotReady(name, version, NOT_COMPARED[state])
    ready = [(v, position) for v, state, position in known if state == "ready"]
    if not ready:
        raise ProjectionNotReady(name, None, "has no version that is ready: rebuild it first")
    return active[0], ready[0]


async def _compare(
    connection: AsyncConnection, live: ProjectionTable, other: ProjectionTable, position: int
) -> Comparison:
    rows, checksum = await _row(connection, live.checksum)
    other_rows, other_checksum = await _row(connection, other.checksum)
    found = await connection.execute(live.differences(other), [SHOWN_KEYS])
    differences = await found.fetchall()
    return Comparison(
        name=live.model.name,
        version=live.version,
        other_version=other.version,
        position=position,
        rows=rows,
        other_rows=other_rows,
        checksum=checksum,
        other_checksum=other_checksum,
        differing=differences[0][1] if differences else 0,
        keys=tuple(key for key, _ in differences),
    )


async def _row(connection: AsyncConnection, statement: Composed) -> TupleRow:
    row = await (await connection.execute(statement)).fetchone()
    assert row is not None
    return row


@asynccontextmanager
async def _snapshot(url: str) -> AsyncGenerator[AsyncConnection]:
    """Sees one moment, and leaves nothing behind."""
    settings = parameters(
        "projection check", statement_seconds=STATEMENT_SECONDS, every_tenant=True
    )
    settings["options"] += " -c idle_in_transaction_session_timeout=0"
    with translated():
        connection = await psycopg.AsyncConnection.connect(url, **settings)
        async with connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            async with connection.transaction(force_rollback=True):
                yield connection
