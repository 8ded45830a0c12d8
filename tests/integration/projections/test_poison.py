"""Events that a read model cannot take in: isolated, or where it stops."""

import asyncio
from typing import Any

import msgspec
import pytest

from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.read_models import Follower
from domain.event import RecordedEvent
from ops.bench.event_mix import facts
from projections.model import ReadModel
from projections.queries import ProjectionStatus
from projections.statistics import STATISTICS, EventCount
from tests.integration.projections.support import appends, run, until_at
from tests.support.postgres import Database
from tests.support.read_models import a_log, a_projector, a_recorded


async def until_error(registry: ProjectionRegistry) -> ProjectionStatus:
    while True:
        (status,) = await registry.list_statuses()
        if status.error:
            return status
        await asyncio.sleep(0.02)


def refusing(position: int, error: Exception) -> ReadModel[Any]:
    """Statistics, but for one event."""

    def project(row: EventCount | None, recorded: RecordedEvent) -> EventCount:
        if recorded.position == position:
            raise error
        return STATISTICS.project(row, recorded) or pytest.fail("no row")

    return msgspec.structs.replace(STATISTICS, project=project)


def counted(database: Database) -> int:
    with database.as_owner() as owner:
        found = owner.execute("SELECT coalesce(sum(count), 0)::int FROM read_models.statistics")
        row = found.fetchone()
    assert row is not None
    return int(row[0])


def test_a_poison_event_is_isolated_recorded_and_skipped(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        models = [refusing(37, ValueError("no such thing\nas this"))]
        registry = ProjectionRegistry(url, models)
        await registry.ensure()
        async with a_log(url) as (store, tail):
            await asyncio.gather(*(store.append(each) for each in appends(100)))
            async with a_projector(url, tail, models):
                await until_at(url, 100, ["statistics"])
        (status,) = await registry.list_statuses()
        assert (status.position, status.dead_letters) == (100, 1)
        assert counted(database) == 99
        with database.as_owner() as owner:
            letters = owner.execute("SELECT position, error FROM read_models.dead_letters")
            assert letters.fetchall() == [(37, "ValueError: no such thing")]

    run(body)


def test_where_the_policy_is_to_stop_it_stops_before_the_poison_and_says_why(
    database: Database,
) -> None:
    async def body() -> None:
        url = database.service_url
        models = [refusing(37, ValueError("no such thing"))]
        registry = ProjectionRegistry(url, models)
        await registry.ensure()
        await registry.set_policy("statistics", "stop")
        async with a_log(url) as (store, tail):
            await asyncio.gather(*(store.append(each) for each in appends(100)))
            async with a_projector(url, tail, models):
                status = await until_error(registry)
            assert (status.position, status.dead_letters) == (36, 0)
            assert "Event 37" in status.error
            async with a_projector(url, tail, [STATISTICS]):
                await until_at(url, 100, ["statistics"])
        (status,) = await registry.list_statuses()
        assert (status.error, counted(database)) == ("", 100)

    run(body)


def test_what_postgresql_refuses_is_isolated_too(database: Database) -> None:
    def project(row: EventCount | None, recorded: RecordedEvent) -> EventCount:
        counted = STATISTICS.project(row, recorded)
        assert counted is not None
        too_great = recorded.position == 5
        return msgspec.structs.replace(counted, count=2**63) if too_great else counted

    async def body() -> None:
        url = database.service_url
        model = msgspec.structs.replace(STATISTICS, project=project)
        registry = ProjectionRegistry(url, [model])
        await registry.ensure()
        leader = await Follower.lead(url, model, 1)
        assert leader is not None
        events = [a_recorded(event, position=n) for n, (_, event) in enumerate(facts(8), 1)]
        await leader.apply(events)
        await leader.close()
        (status,) = await registry.list_statuses()
        assert (status.position, status.dead_letters, counted(database)) == (8, 1, 7)

    run(body)
