"""What an append, a query and an event of a rebuild cost at 10,000, 100,000, 1,000,000 events.

The log is filled through the port, in bulk, with the events of a busy service; the read models
are then built from it by the projector, which is what a rebuild does.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from random import Random
from uuid import UUID, uuid4

import msgspec
import uvloop

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.tail import LogTail
from api.workers.projector import Projector
from domain.builds.events import BuildCancelRequested
from domain.event import Append, CommandContext, Event
from ops.bench.event_mix import facts
from ops.bench.report import Section
from ops.bench.rounds import percentile
from projections.queries import Slice
from tests.support.postgres import Database, PostgresServer, running_postgres

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 5_000)
PART = 50_000
IN_FLIGHT = 256
APPEND_CALLERS, APPEND_SECONDS = 64, 3.0
QUERIES = 400
FLAT = 1.5
PROJECT_SECONDS = 3_000.0
POLL_SECONDS = 0.1
TENANT = "default"

Query = Callable[[], Awaitable[object]]


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds for each event; p50 and p99 of the queries in milliseconds."""

    events: int
    filling: float
    rebuilding: float
    appending: float
    queries: dict[str, tuple[float, float]]


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    with running_postgres() as url:
        server = PostgresServer(url)
        found = [_at(server, size) for size in (QUICK_SIZES if quick else SIZES)]
    smallest, largest = found[0], found[-1]
    growths = _growths(smallest, largest)
    return Section(
        title="append, query and rebuild at growing sizes of the log",
        to_reach=f"flat: at most {FLAT}x from the smallest log to the largest",
        reached=all(growth <= FLAT for growth in growths.values()),
        lines=(
            *_table(found),
            "",
            "- largest against smallest: "
            + ", ".join(f"{name} {growth:.2f}x" for name, growth in growths.items()),
            (
                f"- append: one-event commands to new streams, {APPEND_CALLERS} callers;"
                f" queries: {QUERIES} each, one after another, through the port"
            ),
        ),
    )


def _growths(smallest: Costs, largest: Costs) -> dict[str, float]:
    growths = {
        "append": largest.appending / smallest.appending,
        "rebuild": largest.rebuilding / smallest.rebuilding,
    }
    for name, (_, p99) in largest.queries.items():
        growths[f"p99 of {name}"] = p99 / smallest.queries[name][1]
    return growths


def _table(found: Sequence[Costs]) -> list[str]:
    names = list(found[0].queries)
    columns = ["events", "fill us/event", "append us", "rebuild us/event"]
    columns += [f"{name} p50 / p99 ms" for name in names]
    rows = [
        [f"{each.events:,}", f"{each.filling:.0f}", f"{each.appending:.0f}"]
        + [f"{each.rebuilding:.0f}"]
        + [f"{p50:.2f} / {p99:.2f}" for p50, p99 in each.queries.values()]
        for each in found
    ]
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _at(server: PostgresServer, events: int) -> Costs:
    with server.fresh_database() as database:
        costs = uvloop.run(_costs(database, events))
    print(f"{events:,} events: {costs}", flush=True)
    return costs


async def _costs(database: Database, events: int) -> Costs:
    store = PostgresEventStore(database.service_url)
    await store.start()
    filling = await _timed(lambda: _fill(store, events))
    rebuilding = await _timed(lambda: _project(database, store))
    with database.as_owner() as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    queries = await _query(database, events)
    appending = await _append(store)
    await store.stop()
    return Costs(
        events=events,
        filling=filling / events * 1e6,
        rebuilding=rebuilding / events * 1e6,
        appending=appending * 1e6,
        queries=queries,
    )


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _fill(store: PostgresEventStore, events: int) -> None:
    """In parts, so that streams are spread over the log much as in real life."""
    versions: dict[str, int] = defaultdict(int)
    part: dict[str, list[Event]] = defaultdict(list)
    for number, (stream, event) in enumerate(facts(events), 1):
        part[stream].append(event)
        if number % PART == 0 or number == events:
            await _append_part(store, part, versions)
            part.clear()


async def _append_part(
    store: PostgresEventStore, part: dict[str, list[Event]], versions: dict[str, int]
) -> None:
    left = iter(part.items())

    async def caller() -> None:
        for stream, events in left:
            await store.append(_an_append(stream, versions[stream], tuple(events)))
            versions[stream] += len(events)

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))


def _an_append(stream: str, expected: int, events: tuple[Event, ...]) -> Append:
    identity = str(uuid4())
    context = CommandContext(
        command_id=identity,
        correlation_id=identity,
        actor="key:bench",
        occurred_at=datetime.now(UTC),
    )
    return Append(
        context=context,
        stream=stream,
        expected_version=expected,
        events=events,
        fingerprint=bytes(32),
    )


async def _project(database: Database, store: PostgresEventStore) -> None:
    tail = LogTail(database.service_url, store)
    registry = ProjectionRegistry(database.service_url)
    await registry.ensure()
    projector = Projector(database.service_url, tail)
    await tail.start()
    await projector.start()
    try:
        async with asyncio.timeout(PROJECT_SECONDS):
            while any(status.lag for status in await registry.list_statuses()):  # noqa: ASYNC110 - the database has no event for us
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await projector.stop()
        await tail.stop()


async def _query(database: Database, events: int) -> dict[str, tuple[float, float]]:
    builds = [stream for stream, _ in facts(events) if stream.startswith("build-")]
    chance = Random(events)  # noqa: S311 - a load, not a secret
    queries = PostgresQueries(database.service_url)
    await queries.start()
    page = await queries.list_builds(TENANT, page=Slice(limit=50))
    asked: dict[str, Query] = {
        "get build": lambda: queries.get_build(
            TENANT, chance.choice(builds).removeprefix("build-")
        ),
        "list builds": lambda: queries.list_builds(TENANT, page=Slice(limit=50)),
        "list builds, 2nd page": lambda: queries.list_builds(
            TENANT, page=Slice(limit=50, after=page.next)
        ),
        "list containers": lambda: queries.list_containers(TENANT, page=Slice(limit=50)),
        "audit": lambda: queries.list_audit(TENANT, page=Slice(limit=50)),
    }
    found = {name: await _latencies(query) for name, query in asked.items()}
    await queries.stop()
    return found


async def _latencies(query: Query) -> tuple[float, float]:
    taken: list[float] = []
    for _ in range(QUERIES):
        began = time.perf_counter()
        await query()
        taken.append((time.perf_counter() - began) * 1e3)
    return percentile(taken, 50), percentile(taken, 99)


async def _append(store: PostgresEventStore) -> float:
    """Seconds for each command, all callers together."""
    deadline = time.perf_counter() + APPEND_SECONDS
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < deadline:
            identity = str(UUID(int=uuid4().int))
            event = BuildCancelRequested(build_id=identity, attempt=1, reason="bench")
            await store.append(_an_append(f"build-{identity}", 0, (event,)))
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(APPEND_CALLERS)))
    return (time.perf_counter() - began) / done
