"""The read side with a log under it, in memory and on PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec

from adapters.memory.event_store import InMemoryEventStore
from adapters.memory.read_models import InMemoryQueries
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.tail import LogTail
from api.workers.projector import Projector
from domain.builds import events as b
from domain.builds.spec import BuildSpec, RpmSource, SourceFile
from domain.containers import events as c
from domain.containers.spec import ContainerSpec
from domain.event import Event, RecordedEvent
from domain.ports import EventStore
from projections.catalog import READ_MODELS
from projections.model import ReadModel
from projections.queries import ProjectionStatus, Queries
from tests.support.appends import OCCURRED_AT, an_append
from tests.support.postgres import Database

DEADLINE_SECONDS = 30
SCAN_SECONDS = 0.05
SHA = "sha256:" + "a" * 64
_positions = count(1)


class ReadSide:
    def __init__(self, store: EventStore, queries: Queries) -> None:
        self.store = store
        self.queries = queries

    async def record(
        self, stream: str, *events: Event, tenant: str = "default", actor: str = "key:tests"
    ) -> int:
        """One command's events; the position after them."""
        append = an_append(stream, *events, tenant=tenant)
        context = msgspec.structs.replace(append.context, actor=actor, source_address="192.0.2.7")
        receipt = await self.store.append(msgspec.structs.replace(append, context=context))
        return receipt.last_position


Body = Callable[[ReadSide], Awaitable[None]]
Run = Callable[[Body], None]


def runner(database: Database | None) -> Run:
    async def main(body: Body) -> None:
        made = in_memory() if database is None else on_postgres(database.service_url)
        async with asyncio.timeout(2 * DEADLINE_SECONDS), made as side:
            await body(side)

    return lambda body: asyncio.run(main(body))


@asynccontextmanager
async def in_memory() -> AsyncGenerator[ReadSide]:
    store = InMemoryEventStore()
    yield ReadSide(store, InMemoryQueries(store))


@asynccontextmanager
async def on_postgres(url: str) -> AsyncGenerator[ReadSide]:
    await ProjectionRegistry(url).ensure()
    queries = PostgresQueries(url, wait_seconds=DEADLINE_SECONDS)
    await queries.start()
    try:
        async with a_log(url) as (store, tail), a_projector(url, tail):
            yield ReadSide(store, queries)
    finally:
        await queries.stop()


@asynccontextmanager
async def a_log(url: str) -> AsyncGenerator[tuple[PostgresEventStore, LogTail]]:
    store = PostgresEventStore(url)
    tail = LogTail(url, store)
    await store.start()
    await tail.start()
    try:
        yield store, tail
    finally:
        await tail.stop()
        await store.stop()


@asynccontextmanager
async def a_projector(
    url: str, tail: LogTail, models: Sequence[ReadModel[Any]] = READ_MODELS
) -> AsyncGenerator[Projector]:
    projector = Projector(url, tail, models=models, scan_seconds=SCAN_SECONDS)
    await projector.start()
    try:
        yield projector
    finally:
        await projector.stop()


async def until_state(registry: ProjectionRegistry, name: str, state: str) -> ProjectionStatus:
    """The first version of the read model that comes into this state."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            for status in await registry.list_statuses():
                if status.name == name and status.state == state:
                    return status
            await asyncio.sleep(SCAN_SECONDS)


def a_recorded(event: Event, *, stream: str = "container-c1", **changes: Any) -> RecordedEvent:
    position = next(_positions)
    recorded = RecordedEvent(
        position=position,
        tenant="default",
        stream=stream,
        version=1,
        event_id=f"00000000-0000-7000-8000-{position:012x}",
        type=type(event).__name__,
        schema_version=1,
        data=b"{}",
        recorded_at=OCCURRED_AT,
        occurred_at=OCCURRED_AT,
        command_id=f"command-{position}",
        correlation_id="request-1",
        causation_id=None,
        actor="key:tests",
        source_address="192.0.2.7",
        traceparent=None,
        metadata={},
        hash_version=1,
        key_id=None,
        leaf=bytes(32),
        chain=bytes(32),
        event=event,
    )
    return msgspec.structs.replace(recorded, **changes)


def a_container(container_id: str, name: str = "web") -> tuple[c.ContainerEvent, ...]:
    spec = ContainerSpec(image="openeuler:24.03", name=name)
    return (
        c.ContainerRequested(container_id=container_id, spec=spec),
        c.ContainerStartRequested(container_id=container_id),
    )


def created(container_id: str) -> c.ContainerEvent:
    return c.ContainerCreated(
        container_id=container_id, intent=1, engine_id="e1", engine_name="em-1", image_id=SHA
    )


def a_build(build_id: str, name: str = "hello") -> b.BuildEvent:
    file = SourceFile(name="hello.spec", digest=SHA, size=10)
    spec = BuildSpec(name=name, source=RpmSource(spec=file))
    return b.BuildSubmitted(build_id=build_id, spec=spec, base_image="openeuler:24.03")
