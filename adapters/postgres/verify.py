"""Proves that the log is what was recorded, or names the first position where it is not.

Everything is recomputed from the stored bytes, page by page, in constant memory. Who owns the
database can still recompute all hashes: only a checkpoint that was kept elsewhere shows that.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg

from adapters.postgres.connections import AsyncConnection, parameters
from adapters.postgres.errors import translated
from adapters.postgres.hashing import GENESIS, blob, chain_hash, integer, leaf_hash, text
from adapters.postgres.proof_queries import (
    EVENTS_BESIDE_THEIR_RECORDS,
    HEAD_AND_LAST,
    PAGE,
    RECEIPTS_BESIDE_EVENTS,
    UNGUARDED_TABLES,
)
from domain.event import LogHead

PAGE_SIZE = 2_000
REWRITTEN = "rewritten"
BEFORE_ALL = -(2**63)

Progress = Callable[[int, int], None]


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """The first bad position, a stable word for what is wrong there, and a sentence."""

    position: int
    kind: str
    explanation: str


class LogReport(msgspec.Struct, frozen=True, kw_only=True):
    """position, chain: as far as the log was good. damage: None when all of it is.
    warnings: sentences about what leaves a good log open to change."""

    position: int
    chain: bytes
    damage: Damage | None = None
    warnings: tuple[str, ...] = ()


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """A row of PAGE. The moments are microseconds; None is what no moment can be."""

    position: int
    version: int
    recorded_at: int | None
    leaf: bytes
    chain: bytes
    hash_version: int
    tenant: str
    stream: str
    command_id: str
    correlation_id: str
    causation_id: str | None
    actor: str
    source_address: str | None
    traceparent: str | None
    metadata: str
    occurred_at: int | None
    event_id: bytes
    type: str
    schema_version: int
    key_id: str | None
    data: bytes


async def verify_log(
    url: str,
    *,
    checkpoint: LogHead | None = None,
    on_progress: Progress | None = None,
    page_size: int = PAGE_SIZE,
) -> LogReport:
    """url: any role that may read the log. on_progress gets (position, last position) per page."""
    with translated():
        connection = await psycopg.AsyncConnection.connect(
            url, **parameters("verifier", statement_seconds=0, every_tenant=True)
        )
        async with connection:
            return await _Verifier(connection, checkpoint, on_progress, page_size).run()


class _Verifier:
    def __init__(
        self,
        connection: AsyncConnection,
        checkpoint: LogHead | None,
        on_progress: Progress | None,
        page_size: int,
    ) -> None:
        self._connection = connection
        self._checkpoint = checkpoint
        self._on_progress = on_progress
        self._page_size = page_size
        self._position = 0
        self._chain = GENESIS

    async def run(self) -> LogReport:
        damage = await self._walk() or await self._check_ends()
        warnings = tuple(
            f"Rows of log.{table} can be changed: the trigger {table}_never_change {why}."
            for table, why in await self._rows(UNGUARDED_TABLES)
        )
        return LogReport(
            position=self._position, chain=self._chain, damage=damage, warnings=warnings
        )

    async def _walk(self) -> Damage | None:
        """To the end, where the head must say the same; appends may go on meanwhile."""
        while True:
            ((head, chain, last),) = await self._rows(HEAD_AND_LAST)
            if (last or 0) <= self._position:
                return self._check_head(head, chain)
            damage = await self._check_page(last)
            if damage is not None:
                return damage

    async def _check_page(self, last: int) -> Damage | None:
        after = self._position or BEFORE_ALL
        rows = [
            msgspec.convert(row, _Row)
            for row in await self._rows(PAGE, (after, self._page_size), binary=True)
        ]
        end = rows[-1].position if rows else self._position
        beside = await self._rows(EVENTS_BESIDE_THEIR_RECORDS, (after, end))
        damage = self._follow(rows)
        if beside and (damage is None or beside[0][0] < damage.position):
            damage = _beside(*beside[0])
        if self._on_progress is not None:
            self._on_progress(self._position, last)
        return damage

    def _follow(self, rows: Sequence[_Row]) -> Damage | None:
        for row in rows:
            damage = self._check(row)
            if damage is not None:
                return damage
            self._position, self._chain = row.position, row.chain
            if self._checkpoint is not None and self._checkpoint.position == row.position:
                damage = self._check_checkpoint(self._checkpoint)
                if damage is not None:
                    return damage
        return None

    def _check(self, row: _Row) -> Damage | None:
        expected = self._position + 1
        if row.position < expected:
            return _damage(row.position, "inserted", "There is an event before the first position.")
        if row.position > expected:
            return _damage(expected, "missing", "There is no event at this position.")
        if row.hash_version != 1:
            return _damage(expected, "unknown hash", f"Hash version {row.hash_version} is unknown.")
        if _leaf(row) != row.leaf:
            return _damage(expected, "content", "The event is not what its leaf hash was made of.")
        if self._link(row) != row.chain:
            return _damage(
                expected,
                "chain",
                "The chain hash does not follow from the events before and this event's position,"
                " version, time and leaf hash.",
            )
        return None

    def _link(self, row: _Row) -> bytes | None:
        if row.recorded_at is None:
            return None
        return chain_hash(self._chain, row.position, row.version, row.recorded_at, row.leaf)

    def _check_checkpoint(self, checkpoint: LogHead) -> Damage | None:
        if checkpoint.chain == self._chain:
            return None
        return _damage(
            checkpoint.position,
            REWRITTEN,
            "The history up to here is not the one of the checkpoint: it was rewritten and all"
            " hashes were computed again, or the checkpoint is of another service.",
        )

    def _check_head(self, head: int, chain: bytes) -> Damage | None:
        if head > self._position:
            return _damage(
                self._position + 1, "missing", f"The log ends early: its head says {head}."
            )
        if (head, chain) != (self._position, self._chain):
            return _damage(self._position, "head", "The head is not the last event of the log.")
        return None

    async def _check_ends(self) -> Damage | None:
        checkpoint = self._checkpoint
        if checkpoint is not None and checkpoint.position > self._position:
            return _damage(
                self._position + 1,
                "truncated",
                f"The log ends before the checkpoint at position {checkpoint.position}.",
            )
        for position, command_id in await self._rows(RECEIPTS_BESIDE_EVENTS):
            return _damage(
                position,
                "receipt",
                f"The receipt of command {command_id} does not say what it recorded.",
            )
        return None

    async def _rows(
        self, query: str, arguments: Sequence[object] = (), *, binary: bool = False
    ) -> Sequence[tuple[Any, ...]]:
        cursor = self._connection.cursor(binary=binary)
        await cursor.execute(query.encode(), arguments)
        return await cursor.fetchall()


def _leaf(row: _Row) -> bytes | None:
    if row.occurred_at is None:
        return None
    return leaf_hash(
        text(row.tenant),
        text(row.stream),
        text(row.command_id),
        text(row.correlation_id),
        text(row.causation_id),
        text(row.actor),
        text(row.source_address),
        text(row.traceparent),
        text(row.metadata),
        integer(row.occurred_at),
        blob(row.event_id),
        text(row.type),
        integer(row.schema_version),
        text(row.key_id),
        blob(row.data),
    )


def _beside(position: int, kind: str) -> Damage:
    return _damage(
        position,
        kind,
        {
            "version": "The versions of the event's stream do not follow each other.",
            "receipt": "No receipt agrees with this event about the command that recorded it.",
        }[kind],
    )


def _damage(position: int, kind: str, explanation: str) -> Damage:
    return Damage(position=position, kind=kind, explanation=explanation)
