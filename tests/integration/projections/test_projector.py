"""Exactly once, by one leader, whatever dies meanwhile."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.postgres.projection_check import verify_projections
from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.read_models import Follower, GapInLog, LeadershipLost
from api.workers.projection_cohort import Cohort
from domain.event import RecordedEvent
from ops.bench.event_mix import facts
from projections.catalog import READ_MODELS
from projections.containers import CONTAINERS
from projections.errors import ProjectionBehind
from projections.keys import KEYS
from projections.statistics import STATISTICS
from tests.integration.projections.support import NAMES, appends, run, until_at
from tests.support.postgres import Database
from tests.support.read_models import a_log, a_projector, a_recorded, on_postgres


def kill_projectors(database: Database) -> int:
    with database.as_owner() as owner:
        found = owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database()"
            " AND application_name LIKE 'eulermaker projection %'"
        ).fetchall()
    return len(found)


def test_rows_are_those_of_the_log_after_leaders_were_killed_in_the_middle(
    database: Database,
) -> None:
    async def body() -> None:
        url = database.service_url
        await ProjectionRegistry(url).ensure()
        killed = 0
        async with a_log(url) as (store, tail), a_projector(url, tail), a_projector(url, tail):
            for begin in range(0, 1_000, 200):
                await asyncio.gather(*(store.append(each) for each in appends(200)))
                killed += kill_projectors(database)
                await until_at(url, begin + 100)
            await until_at(url, 1_000)
        assert killed >= len(READ_MODELS)
        verification = await verify_projections(url)
        assert verification.equal
        assert {each.position for each in verification.projections} == {1_000}

    run(body)


def test_one_process_leads_and_another_takes_over(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        await ProjectionRegistry(url).ensure()
        first = await Follower.lead(url, KEYS, 1)
        assert first is not None
        assert await Follower.lead(url, KEYS, 1) is None
        assert "keys" not in {v.name for v in await ProjectionRegistry(url).list_leaderless()}
        await first.close()
        second = await Follower.lead(url, KEYS, 1)
        assert second is not None
        await second.close()

    run(body)


def test_who_lost_the_lead_writes_nothing(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        await ProjectionRegistry(url).ensure()
        leader = await Follower.lead(url, STATISTICS, 1)
        assert leader is not None
        with database.as_owner() as owner:
            owner.execute(
                "UPDATE read_models.projections SET position = 7 WHERE name = 'statistics'"
            )
        event = a_recorded(next(facts(1))[1], position=1)
        with pytest.raises(LeadershipLost):
            await leader.apply([event])
        await leader.close()
        with database.as_owner() as owner:
            assert owner.execute("SELECT count(*) FROM read_models.statistics").fetchone() == (0,)

    run(body)


def test_events_that_leave_a_gap_are_refused(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        await ProjectionRegistry(url).ensure()
        leader = await Follower.lead(url, STATISTICS, 1)
        assert leader is not None
        with pytest.raises(GapInLog):
            await leader.apply([a_recorded(next(facts(1))[1], position=2)])
        await leader.close()

    run(body)


class SlowReader:
    """A log whose reads can be held up."""

    def __init__(self, events: Sequence[RecordedEvent]) -> None:
        self._events = events
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        self.asked.set()
        await self.let_go.wait()
        return self._events[after : after + limit]

    async def wait(self, after: int, *, timeout_seconds: float) -> int:  # noqa: ARG002 - a port
        return max(after, len(self._events))


def test_who_joins_while_a_page_is_read_misses_nothing(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        await ProjectionRegistry(url).ensure()
        events = [a_recorded(event, position=n) for n, (_, event) in enumerate(facts(10), 1)]
        early = await Follower.lead(url, STATISTICS, 1)
        late = await Follower.lead(url, CONTAINERS, 1)
        assert early is not None
        assert late is not None
        await early.apply(events[:5])
        reader = SlowReader(events)
        cohort = Cohort(reader, lambda _, error: pytest.fail(str(error)))
        cohort.add(early)
        step = asyncio.create_task(cohort.step())
        await reader.asked.wait()
        cohort.add(late)
        reader.let_go.set()
        assert late not in (await step).members
        assert (early.position, late.position) == (10, 0)
        assert late in (await cohort.step()).members
        assert late.position == 10
        await cohort.close()

    run(body)


def test_waiting_for_a_position_that_does_not_come_ends_with_an_error(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        await ProjectionRegistry(url).ensure()
        queries = PostgresQueries(url, wait_seconds=0.1)
        await queries.start()
        with pytest.raises(ProjectionBehind) as behind:
            await queries.get_build("default", "b1", min_position=1)
        assert (behind.value.position, behind.value.wanted) == (0, 1)
        await queries.stop()

    run(body)


def test_rows_of_a_log_that_is_no_more_are_made_again(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        registry = ProjectionRegistry(url)
        async with on_postgres(url) as side:
            for each in appends(20):
                await side.store.append(each)
            await until_at(url, 20)
        with database.as_owner() as owner:
            owner.execute("UPDATE read_models.projections SET position = 21 WHERE name = 'audit'")
        await registry.ensure()
        positions = {s.name: s.position for s in await registry.list_statuses()}
        assert positions["audit"] == 0
        assert positions["builds"] == 20
        async with a_log(url) as (_, tail), a_projector(url, tail):
            await until_at(url, 20)
        assert (await verify_projections(url)).equal

    run(body)


def test_verification_names_a_row_that_was_changed_by_hand(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        async with on_postgres(url) as side:
            for each in appends(50):
                await side.store.append(each)
            await until_at(url, 50)
        with database.as_owner() as owner:
            owner.execute(
                "UPDATE read_models.audit SET actor = 'key:nobody' WHERE first_position = 9"
            )
        verification = await verify_projections(url)
        assert not verification.equal
        differing = {each.name: each.differing for each in verification.projections}
        assert differing == {**dict.fromkeys(NAMES, 0), "audit": 1}

    run(body)


def test_every_row_field_is_a_column(database: Database) -> None:
    run(ProjectionRegistry(database.service_url).ensure)
    with database.as_owner() as owner:
        for model in READ_MODELS:
            found = owner.execute(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_schema = 'read_models' AND table_name = %s",
                [f"{model.name}_v1"],
            ).fetchall()
            assert {name for (name,) in found} == set(model.columns)
