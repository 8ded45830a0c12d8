"""Follows the log into one version of one read model. Exactly once, and by one leader only."""

import re
from collections.abc import Sequence
from typing import Any, Self

import msgspec
import psycopg

from adapters.postgres.connections import AsyncConnection, parameters
from adapters.postgres.errors import one_line
from adapters.postgres.projection_tables import ProjectionTable
from domain.event import RecordedEvent
from projections.model import Key, ReadModel

LOCK_CLASS = 0x656D7072  # "empr"
STATEMENT_SECONDS = 60
BY_KEY = " ".join(
    f"-c enable_{way}=off" for way in ("hashjoin", "mergejoin", "seqscan", "bitmapscan")
)
"""Rows are looked up by their keys. A plan made while the table was small would go on to read all
of it for each page, which makes a rebuild quadratic."""
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

POISON = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
"""PostgreSQL will never take these rows; other errors speak of the server or the schema."""

POSITION = """
SELECT position, coalesce((SELECT on_poison FROM read_models.policies WHERE name = p.name), 'skip')
FROM read_models.projections p WHERE name = %s AND version = %s AND state <> 'retired'
"""
REPORT_ERROR = """
UPDATE read_models.projections SET error = %s, changed_at = clock_timestamp()
WHERE name = %s AND version = %s
"""


class LeadershipLost(Exception):
    """Somebody else has moved this projection, or it was retired."""


class ProjectionStopped(Exception):
    """An event cannot be projected, and the policy is to stop there."""


class GapInLog(Exception):
    """Positions have no gaps, so events are missing: whoever handed them over has lost some."""

    def __init__(self, name: str, position: int, following: int) -> None:
        super().__init__(f"{name} is at {position} and was given {following} next.")


class Follower:
    """Leads one version of a read model while its connection lives.

    The lock is on the very connection that writes, and the position moves from the expected one
    only: whoever has lost the one cannot do the other.
    """

    def __init__(
        self, connection: AsyncConnection, table: ProjectionTable, position: int, on_poison: str
    ) -> None:
        self.name = table.model.name
        self.version = table.version
        self.position = position
        self._connection = connection
        self._table = table
        self._model: ReadModel[Any] = table.model
        self._on_poison = on_poison

    @classmethod
    async def lead(cls, url: str, model: ReadModel[Any], version: int) -> Self | None:
        """None while somebody else leads. Raises psycopg.Error."""
        name = f"projection {model.name} {version}"
        settings = parameters(name, statement_seconds=STATEMENT_SECONDS, every_tenant=True)
        # What a crash takes of derived rows is derived again: position and rows go together.
        settings["options"] += f" -c synchronous_commit=off {BY_KEY}"
        connection = await psycopg.AsyncConnection.connect(url, **settings)
        try:
            if await _lock(connection, name):
                cursor = await connection.execute(POSITION, [model.name, version])
                row = await cursor.fetchone()
                if row is not None:
                    return cls(connection, ProjectionTable(model, version), *row)
        except BaseException:
            await connection.close()
            raise
        await connection.close()
        return None

    async def close(self) -> None:
        await self._connection.close()

    async def apply(self, events: Sequence[RecordedEvent]) -> None:
        """Those after the position, in order. Raises psycopg.Error, LeadershipLost,
        ProjectionStopped; then this leader is of no more use."""
        fresh = [event for event in events if event.position > self.position]
        if not fresh:
            return
        if fresh[0].position != self.position + 1:
            raise GapInLog(self.name, self.position, fresh[0].position)
        await self._apply(fresh)

    async def _apply(self, events: Sequence[RecordedEvent]) -> None:
        try:
            await self._write(events)
        except Exception as error:
            if not _is_poison(error):
                raise
            if len(events) == 1:
                await self._bury(events[0], error)
                return
            middle = len(events) // 2
            await self._apply(events[:middle])
            await self._apply(events[middle:])

    async def _write(self, events: Sequence[RecordedEvent]) -> None:
        relevant = self._model.relevant(events)
        rows = await load_rows(self._connection, self._table, self._model.keys_to_load(relevant))
        changed = self._model.fold(rows, relevant)
        await self._move(self._table.write, events[-1], rows=rows_to_json(list(changed.values())))

    async def _bury(self, event: RecordedEvent, error: Exception) -> None:
        why = f"{type(error).__name__}: {one_line(error)}"
        if self._on_poison == "stop":
            text = f"Event {event.position} ({event.type}) cannot be projected: {why}"
            names = [self.name, self.version]
            await self._connection.execute(REPORT_ERROR, [text, *names])
            raise ProjectionStopped(text) from error
        await self._move(self._table.bury, event, type=event.type, error=why)

    async def _move(self, statement: Any, last: RecordedEvent, **values: str) -> None:
        cursor = await self._connection.execute(
            statement, {"expected": self.position, "last": last.position, **values}
        )
        row = await cursor.fetchone()
        if row is None or row[0] != 1:
            raise LeadershipLost(f"Somebody else moved {self.name} version {self.version}.")
        self.position = last.position


async def load_rows(
    connection: AsyncConnection, table: ProjectionTable, keys: set[Key]
) -> dict[Key, Any]:
    if not keys:
        return {}
    wanted = [table.key_row(*key) for key in keys]
    found = await (await connection.execute(table.load, [rows_to_json(wanted)])).fetchone()
    if found is None or found[0] is None:
        return {}
    return {table.model.key_of_row(row): row for row in table.decoder.decode(found[0])}


def rows_to_json(rows: Sequence[object]) -> str:
    """PostgreSQL's text has no NUL; a log line may."""
    text = msgspec.json.encode(rows).decode()
    return NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def _is_poison(error: Exception) -> bool:
    if isinstance(error, psycopg.Error):
        return isinstance(error, POISON)
    return not isinstance(error, (OSError, MemoryError, LeadershipLost, ProjectionStopped))


async def _lock(connection: AsyncConnection, name: str) -> bool:
    cursor = await connection.execute(
        "SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCK_CLASS, name]
    )
    row = await cursor.fetchone()
    return row is not None and row[0]
