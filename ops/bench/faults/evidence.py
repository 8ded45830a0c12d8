"""What a run leaves behind: the log, and what the engine has."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import psycopg

from adapters.postgres.event_mapper import EventMapper
from adapters.postgres.rows import SELECT_EVENTS, recorded_event
from domain.application.aggregates import aggregate_named
from domain.builds.state import Build
from domain.containers.state import Container
from domain.event import OpaqueEvent, RecordedEvent
from domain.processes import naming
from ops.bench.faults.engine import EngineFailed, PrivateEngine

PAUSE_SECONDS = 0.5
LOOKS = 10


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The log folded into states, and what the engine has, by container name."""

    events: Sequence[RecordedEvent]
    containers: dict[str, Container]
    builds: dict[str, Build]
    in_engine: dict[str, dict[str, Any]]
    networks: list[dict[str, Any]]


async def gather_evidence(owner_url: str, engine: PrivateEngine) -> Evidence:
    """Once nothing is under way any more."""
    events = await _read_log(owner_url)
    return Evidence(
        events=events,
        containers=_fold(events, Container),
        builds=_fold(events, Build),
        in_engine=await _containers(engine),
        networks=await _networks(engine),
    )


async def rows_of(owner_url: str, query: str) -> list[tuple[Any, ...]]:
    connection = await psycopg.AsyncConnection.connect(owner_url)
    async with connection:
        return await (await connection.execute(query.encode())).fetchall()


async def log_types(owner_url: str) -> Counter[str]:
    """How many events of each type there are."""
    rows = await rows_of(owner_url, "SELECT type, count(*) FROM log.events GROUP BY type")
    return Counter(dict(rows))


async def _read_log(owner_url: str) -> list[RecordedEvent]:
    decode = EventMapper().decode
    connection = await psycopg.AsyncConnection.connect(owner_url)
    async with connection:
        cursor = connection.cursor(binary=True)
        await cursor.execute(SELECT_EVENTS + " ORDER BY position")
        return [recorded_event(row, decode) for row in await cursor.fetchall()]


def _fold(events: Iterable[RecordedEvent], wanted: type[Any]) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for recorded in events:
        aggregate = aggregate_named(recorded.stream.partition("-")[0])
        if aggregate is not None and not isinstance(recorded.event, OpaqueEvent):
            state = aggregate.evolve(states.get(recorded.stream), recorded.event)
            states[recorded.stream] = state
    return {stream: state for stream, state in states.items() if isinstance(state, wanted)}


async def _containers(engine: PrivateEngine) -> dict[str, dict[str, Any]]:
    """What is swept late may vanish between the list and its inspection: both are repeated."""
    looks = 0
    while listed := (await engine.docker("ps", "--all", "--quiet", "--no-trunc")).split():
        try:
            found = msgspec.json.decode(await engine.docker("inspect", *listed))
        except EngineFailed:
            looks += 1
            if looks == LOOKS:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return {each["Name"].removeprefix("/"): each for each in found}
    return {}


async def _networks(engine: PrivateEngine) -> list[dict[str, Any]]:
    labelled = f"label={naming.INSTALLATION}"
    listed = (await engine.docker("network", "ls", "--quiet", "--filter", labelled)).split()
    if not listed:
        return []
    found: list[dict[str, Any]] = msgspec.json.decode(
        await engine.docker("network", "inspect", *listed)
    )
    return found
