"""The durable to-do list: what process managers decided and executors have not done yet."""

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from adapters.postgres.failures import borrowed
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from domain.ports import ClaimedEffect, NewEffect, Superseding
from domain.processes.effects import AnyEffect

WAKE_CHANNEL = "eulermaker_effects"
UNREADABLE_SECONDS = 60.0
MAX_REASON = 2_000

POSITION = "SELECT position FROM work.processes WHERE name = %s"
ADVANCE = """
INSERT INTO work.processes (name, position) SELECT %(process)s, %(position)s WHERE %(after)s = 0
ON CONFLICT (name) DO UPDATE SET position = excluded.position
    WHERE work.processes.position = %(after)s
RETURNING position
"""
ADVANCE_LATER = """
UPDATE work.processes SET position = %(position)s
WHERE name = %(process)s AND position = %(after)s RETURNING position
"""
# Who changes several rows locks them in the order of streams: else two wait for each other.
SUPERSEDE = """
WITH earlier AS (
    SELECT effect_id FROM work.effects
    WHERE tenant = %(tenant)s AND stream = %(stream)s AND position < %(position)s
    ORDER BY tenant, stream, position, index
    FOR UPDATE)
UPDATE work.effects AS e SET superseded = true, due_at = least(due_at, now())
FROM earlier WHERE e.effect_id = earlier.effect_id
"""
INSERT = """
INSERT INTO work.effects
    (effect_id, tenant, stream, position, index, correlation_id, payload, timer, due_at)
VALUES (%(effect_id)s, %(tenant)s, %(stream)s, %(position)s, %(index)s, %(correlation_id)s,
        %(payload)b, %(delay)s > 0, now() + make_interval(secs => %(delay)s))
ON CONFLICT (effect_id) DO NOTHING
"""
WAKE = f"SELECT pg_notify('{WAKE_CHANNEL}', '')"
# What others hold is neither due nor passed over: an effect waits for the one before it.
CLAIM = """
WITH ready AS (
    SELECT effect_id FROM work.effects AS e
    WHERE (lease_until IS NULL OR lease_until < now())
      AND due_at <= now()
      AND (timer OR NOT EXISTS (
          SELECT FROM work.effects AS earlier
          WHERE earlier.tenant = e.tenant AND earlier.stream = e.stream AND NOT earlier.timer
            AND (earlier.position, earlier.index) < (e.position, e.index)))
    ORDER BY position, index
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
UPDATE work.effects AS e
SET owner = %(owner)s, attempts = attempts + 1,
    lease_until = now() + make_interval(secs => %(lease)s)
FROM ready WHERE e.effect_id = ready.effect_id
RETURNING e.effect_id, e.tenant, e.stream, e.correlation_id, e.payload, e.attempts, e.superseded,
          e.position, e.index
"""
EXTEND = """
WITH held AS (
    SELECT effect_id FROM work.effects WHERE owner = %(owner)s AND effect_id = ANY(%(ids)s)
    ORDER BY tenant, stream, position, index
    FOR UPDATE)
UPDATE work.effects AS e SET lease_until = now() + make_interval(secs => %(lease)s)
FROM held WHERE e.effect_id = held.effect_id
"""
INTERRUPTED = """
SELECT effect_id FROM work.effects WHERE owner = %s AND superseded AND lease_until >= now()
"""
FINISH = "DELETE FROM work.effects WHERE effect_id = %s AND owner = %s"
RETRY = """
UPDATE work.effects
SET owner = NULL, lease_until = NULL, last_error = %(reason)s,
    due_at = now() + make_interval(secs => %(delay)s),
    attempts = attempts - CASE WHEN %(untouched)s THEN 1 ELSE 0 END
WHERE effect_id = %(effect_id)s AND owner = %(owner)s
"""
TAKE_OVER = """
WITH held AS (
    SELECT effect_id FROM work.effects WHERE owner IS NOT NULL
    ORDER BY tenant, stream, position, index
    FOR UPDATE)
UPDATE work.effects AS e SET owner = NULL, lease_until = NULL
FROM held WHERE e.effect_id = held.effect_id
"""
DEPTH = "SELECT count(*) FROM work.effects WHERE due_at <= now()"

log = structlog.get_logger(__name__)


class PostgresEffectStore:
    """Implements `domain.ports.EffectStore`."""

    def __init__(self, pool: TenantPool) -> None:
        self._pool = pool
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(AnyEffect)

    async def position(self, process: str) -> int:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            row = await (await connection.execute(POSITION, [process])).fetchone()
        return 0 if row is None else row[0]

    async def write(
        self,
        process: str,
        *,
        after: int,
        position: int,
        effects: Sequence[NewEffect],
        superseding: Sequence[Superseding],
    ) -> bool:
        advance = ADVANCE if after == 0 else ADVANCE_LATER
        moved = {"process": process, "after": after, "position": position}
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            cursor = await connection.execute(advance, moved)
            if await cursor.fetchone() is None:
                return False
            if effects:
                await cursor.executemany(INSERT, [self._row(effect) for effect in effects])
            for supersede in sorted(superseding, key=lambda each: (each.tenant, each.stream)):
                await cursor.execute(SUPERSEDE, msgspec.structs.asdict(supersede))
            if effects or superseding:
                await cursor.execute(WAKE)
        return True

    async def claim(
        self, owner: str, *, limit: int, lease_seconds: float
    ) -> Sequence[ClaimedEffect]:
        wanted = {"owner": owner, "limit": limit, "lease": lease_seconds}
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            rows = await (await connection.execute(CLAIM, wanted)).fetchall()
        rows.sort(key=lambda row: row[7:])
        claimed = [self._claimed(row) for row in rows]
        for row, effect in zip(rows, claimed, strict=True):
            if effect is None:
                await self.retry(
                    owner, row[0], delay_seconds=UNREADABLE_SECONDS, reason="of another release"
                )
        return [effect for effect in claimed if effect is not None]

    def _claimed(self, row: Sequence[Any]) -> ClaimedEffect | None:
        """None for an effect that this program cannot read: it holds up its own stream only."""
        effect_id, tenant, stream, correlation_id, payload, attempts, superseded, *_ = row
        try:
            effect = self._decoder.decode(payload)
        except msgspec.MsgspecError:
            log.exception("effect cannot be read", effect=effect_id)
            return None
        return ClaimedEffect(
            effect_id=effect_id,
            tenant=tenant,
            stream=stream,
            correlation_id=correlation_id,
            effect=effect,
            attempt=attempts,
            superseded=superseded,
        )

    async def extend(self, owner: str, effect_ids: Sequence[str], *, lease_seconds: float) -> None:
        values = {"owner": owner, "ids": list(effect_ids), "lease": lease_seconds}
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(EXTEND, values)

    async def interrupted(self, owner: str) -> Sequence[str]:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            rows = await (await connection.execute(INTERRUPTED, [owner])).fetchall()
        return [row[0] for row in rows]

    async def finish(self, owner: str, effect_id: str) -> None:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(FINISH, [effect_id, owner])

    async def retry(
        self,
        owner: str,
        effect_id: str,
        *,
        delay_seconds: float,
        reason: str,
        untouched: bool = False,
    ) -> None:
        values = {
            "owner": owner,
            "effect_id": effect_id,
            "delay": delay_seconds,
            "reason": _storable(reason),
            "untouched": untouched,
        }
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(RETRY, values)

    async def take_over(self) -> None:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            await connection.execute(TAKE_OVER)

    async def depth(self) -> int:
        async with borrowed(self._pool, EVERY_TENANT) as connection:
            row = await (await connection.execute(DEPTH)).fetchone()
        return 0 if row is None else row[0]

    def _row(self, effect: NewEffect) -> dict[str, object]:
        return {
            "effect_id": effect.effect_id,
            "tenant": effect.tenant,
            "stream": effect.stream,
            "position": effect.position,
            "index": effect.index,
            "correlation_id": effect.correlation_id,
            "payload": self._encoder.encode(effect.effect),
            "delay": effect.delay_seconds,
        }


def _storable(reason: str) -> str:
    """What went wrong may be told in characters that PostgreSQL does not take."""
    return reason[:MAX_REASON].encode(errors="replace").decode().replace("\0", "\ufffd")
