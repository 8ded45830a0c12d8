"""The statements for one version of a read model: made from its row type and its SQL blocks."""

from typing import Any

import msgspec
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from projections.model import ReadModel

SCHEMA = "read_models"
REPORTING_SCHEMA = "reporting"
REPORTING_BLOCK = "reporting_"
CHANNEL = "eulermaker_projection"

MOVE = """
UPDATE read_models.projections SET position = %(last)s, error = '', changed_at = clock_timestamp()
WHERE name = {name} AND version = {version} AND position = %(expected)s AND state <> 'retired'
RETURNING position, state
"""
# Nobody waits for rows that are still being built.
TELL = "SELECT pg_notify({channel}, {name}) FROM moved WHERE state <> 'building'"
INSERT = """
INSERT INTO {table} ({columns})
SELECT {columns} FROM json_populate_recordset(NULL::{table}, %(rows)s::json)
"""
UPSERT = "ON CONFLICT ({key}) DO UPDATE SET {changes}"
BURY = """
INSERT INTO read_models.dead_letters (name, version, position, type, error)
SELECT {name}, {version}, position, %(type)s, %(error)s FROM moved
"""
# OFFSET 0 keeps it a look-up for each key: a plan made while the table is known to be empty would
# go through all rows instead, and is kept until the table is analysed again.
LOAD = """
SELECT json_agg(found.t)::text
FROM json_populate_recordset(NULL::{table}, %s::json) k
CROSS JOIN LATERAL (SELECT t FROM {table} t WHERE {same_key} OFFSET 0) found
"""
DIFFERENCES = """
SELECT jsonb_build_array({key})::text, count(*) OVER () FROM (
    SELECT {key}, to_json(t)::text AS content FROM (SELECT {columns} FROM {table}) t
) a
FULL JOIN (
    SELECT {key}, to_json(t)::text AS content FROM (SELECT {columns} FROM {other}) t
) b USING ({key})
WHERE a.content IS DISTINCT FROM b.content
ORDER BY {key} LIMIT %s
"""
CHECKSUM = """
SELECT count(*), coalesce(sum(hashtextextended(to_json(t)::text, 0)), 0)::text
FROM (SELECT {columns} FROM {table}) t
"""


class ProjectionTable:
    """`read_models.<name>_v<version>`, or one of the same name in another schema."""

    def __init__(self, model: ReadModel[Any], version: int, *, schema: str = SCHEMA) -> None:
        self.model = model
        self.version = version
        self.table = Identifier(schema, f"{model.name}_v{version}")
        rows: Any = list[model.row]  # type: ignore[name-defined]
        self.decoder = msgspec.json.Decoder(rows)
        self.key_row = msgspec.defstruct("KeyRow", model.key)
        self._names = self._make_names()
        insert, upsert, move, tell, bury = map(self._sql, (INSERT, UPSERT, MOVE, TELL, BURY))
        self.insert = insert + upsert
        # One statement, so one transaction: the rows are there if and only if the position moved.
        self.write: bytes = (
            SQL(
                "WITH moved AS ({}), told AS ({}),"
                " written AS ({} WHERE EXISTS (SELECT FROM moved) {})"
                " SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM told)"
            )
            .format(move, tell, insert, upsert)
            .as_bytes()
        )
        self.bury: bytes = (
            SQL(
                "WITH moved AS ({}), buried AS ({}), told AS ({})"
                " SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM told)"
            )
            .format(move, bury, tell)
            .as_bytes()
        )
        self.load = self._sql(LOAD).as_bytes()  # rendered once: it is sent for every page
        self.checksum = self._sql(CHECKSUM)
        self.drop = self._sql("DROP TABLE IF EXISTS {table}")
        self.empty = self._sql("TRUNCATE {table}")
        self.create = self._sql(model.sql["table"])

    @property
    def indexes(self) -> list[Composed]:
        """Apart from the key: made when the table is filled, which is faster."""
        statements = self.model.sql.get("indexes", "").split(";")
        return [self._sql(statement) for statement in statements if statement.strip()]

    @property
    def views(self) -> list[Composed]:
        """What makes this version the one that is read."""
        reports = {
            block.removeprefix(REPORTING_BLOCK): self._sql(sql)
            for block, sql in self.model.sql.items()
            if block.startswith(REPORTING_BLOCK)
        }
        statements = _view(SCHEMA, self.model.name, self._sql("SELECT * FROM {table}"), INVOKER)
        for name, query in reports.items():
            statements += _report(name, query)
        return statements

    def differences(self, other: "ProjectionTable") -> Composed:
        return SQL(DIFFERENCES).format(**self._names, other=other.table)

    def _make_names(self) -> dict[str, Composable]:
        model = self.model
        return {
            "channel": Literal(CHANNEL),
            "name": Literal(model.name),
            "version": Literal(self.version),
            "table": self.table,
            "columns": SQL(", ").join(map(Identifier, model.columns)),
            "key": SQL(", ").join(map(Identifier, model.key)),
            "same_key": SQL(" AND ").join(
                SQL("t.{0} = k.{0}").format(Identifier(column)) for column in model.key
            ),
            "changes": SQL(", ").join(
                SQL("{0} = excluded.{0}").format(Identifier(column))
                for column in model.columns
                if column not in model.key
            ),
        }

    def _sql(self, text: str) -> Composed:
        return SQL(text).format(**self._names)  # pyright: ignore[reportArgumentType]  # our own files


INVOKER = "WITH (security_invoker)"
"""Row-level security is that of whoever reads, not of the service, whose views they are."""
BARRIER = "WITH (security_barrier)"
"""Whoever reads may not see through it; a query through it uses no index for its order."""


def _view(schema: str, name: str, query: Composable, options: str) -> list[Composed]:
    view = Identifier(schema, name)
    return [
        SQL("DROP VIEW IF EXISTS {}").format(view),
        SQL("CREATE VIEW {} {} AS {}").format(view, SQL(options), query),  # pyright: ignore[reportArgumentType]  # ours
    ]


def _report(name: str, query: Composable) -> list[Composed]:
    mine = SQL(
        "SELECT * FROM ({}) r WHERE tenant IN"
        " (SELECT tenant FROM reporting.readers WHERE role = session_user)"
    ).format(query)
    grant = SQL("GRANT SELECT ON {} TO eulermaker_reporting").format(
        Identifier(REPORTING_SCHEMA, name)
    )
    return [*_view(REPORTING_SCHEMA, name, mine, BARRIER), grant]
