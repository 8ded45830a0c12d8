"""Who is far behind, or has its indexes made, holds up nobody."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from adapters.postgres.projection_registry import REGISTRY_LOCK, ProjectionRegistry
from api.workers.projection_cohort import PAGE, REACH
from api.workers.projector import Projector
from domain.event import RecordedEvent
from ops.bench.event_mix import facts
from projections.queries import ProjectionStatus
from tests.integration.projections.support import leaders, run, until, until_at
from tests.support.postgres import Database
from tests.support.read_models import DEADLINE_SECONDS, SCAN_SECONDS, a_recorded, until_state

FAR = 2 * REACH
WAITING = """
SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class HeldLog:
    """A log from a position on, of which reads before another position wait."""

    def __init__(self, *, begin: int = 0, held_before: int = 0) -> None:
        self.reads: list[int] = []
        self._begin = begin
        self._held_before = held_before
        self._events: list[RecordedEvent] = []
        self._changed = asyncio.Condition()

    @property
    def end(self) -> int:
        return self._begin + len(self._events)

    async def extend(self, count: int) -> None:
        self._events += [
            a_recorded(event, stream=stream, position=position)
            for position, (stream, event) in enumerate(facts(count), self.end + 1)
        ]
        async with self._changed:
            self._changed.notify_all()

    async def hold_before(self, position: int) -> None:
        self._held_before = position
        async with self._changed:
            self._changed.notify_all()

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        async with self._changed:
            await self._changed.wait_for(lambda: after >= self._held_before)
        self.reads.append(after)
        first = after - self._begin
        return self._events[first : first + limit]

    async def wait(self, after: int, *, timeout_seconds: float) -> int:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds), self._changed:
                await self._changed.wait_for(lambda: self.end > after)
        return max(after, self.end)


@asynccontextmanager
async def a_projector_of(database: Database, held: HeldLog) -> AsyncGenerator[None]:
    """One that leads every version."""
    projector = Projector(database.service_url, held, scan_seconds=SCAN_SECONDS)
    await projector.start()
    try:
        await until_led(database.service_url)
        yield
    finally:
        await projector.stop()


async def until_led(url: str) -> None:
    while await ProjectionRegistry(url).list_leaderless():  # noqa: ASYNC110 - as `until_at`
        await asyncio.sleep(0.02)


def move_those_that_are_read(database: Database, position: int) -> None:
    with database.as_owner() as owner:
        owner.execute("UPDATE log.log_head SET position = %s", [position])
        owner.execute("UPDATE read_models.projections SET position = %s", [position])


@contextmanager
def changes_that_wait(database: Database) -> Generator[None]:
    with database.as_owner() as owner:
        owner.execute("SELECT pg_advisory_lock(%s)", [REGISTRY_LOCK])
        yield


async def until_changes_wait(database: Database, count: int) -> None:
    with database.as_owner() as owner:
        await until(lambda: len(owner.execute(WAITING).fetchall()) == count)


def kill(database: Database, leader: str) -> None:
    with database.as_owner() as owner:
        found = owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            [f"eulermaker {leader}"],
        )
        assert found.fetchall() == [(True,)]


async def until_there(
    registry: ProjectionRegistry, version: int, position: int
) -> ProjectionStatus:
    while True:
        for status in await registry.list_statuses():
            if status.version == version and status.position == position:
                return status
        await asyncio.sleep(0.02)


def test_what_is_read_goes_on_though_its_leader_began_beside_a_rebuild(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        registry = ProjectionRegistry(url)
        await registry.ensure()
        move_those_that_are_read(database, FAR)
        await registry.rebuild("audit")
        held = HeldLog(begin=FAR, held_before=FAR + 1)
        await held.extend(5)
        async with asyncio.timeout(DEADLINE_SECONDS), a_projector_of(database, held):
            await held.hold_before(FAR)  # all but the rebuild
            await until_at(url, FAR + 5)

    run(body)


def test_indexes_that_are_being_made_hold_up_nobody_who_begins(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        registry = ProjectionRegistry(url)
        await registry.ensure()
        await registry.rebuild("audit")
        held = HeldLog(held_before=1)
        await held.extend(10)
        async with asyncio.timeout(DEADLINE_SECONDS), a_projector_of(database, held):
            with changes_that_wait(database):
                await held.hold_before(0)
                await until_changes_wait(database, 1)
                kill(database, "projection keys 1")
                await until_led(url)
                await held.extend(10)
                await until_at(url, 20)

    run(body)


def test_what_the_log_gained_while_indexes_were_made_is_caught_up_beside_the_others(
    database: Database,
) -> None:
    async def body() -> None:
        url = database.service_url
        registry = ProjectionRegistry(url)
        await registry.ensure()
        await registry.rebuild("audit")
        held = HeldLog(held_before=1)
        await held.extend(10)
        async with asyncio.timeout(DEADLINE_SECONDS), a_projector_of(database, held):
            with changes_that_wait(database):
                await held.hold_before(0)
                await until_changes_wait(database, 1)
                await held.extend(PAGE)
                await until_at(url, PAGE + 10)
                await held.hold_before(PAGE + 10)
            await until_state(registry, "audit", "ready")
            await held.extend(10)
            await until_at(url, PAGE + 20)
            await held.hold_before(0)
            ready = await until_there(registry, 2, PAGE + 20)
            assert ready.state == "ready"

    run(body)


def test_a_rebuild_in_place_of_one_whose_indexes_are_due_ends_no_other_leader(
    database: Database,
) -> None:
    async def body() -> None:
        registry = ProjectionRegistry(database.service_url)
        await registry.ensure()
        await registry.rebuild("audit")
        held = HeldLog(held_before=1)
        await held.extend(10)
        async with asyncio.timeout(DEADLINE_SECONDS), a_projector_of(database, held):
            before = leaders(database)
            with changes_that_wait(database):
                rebuild = asyncio.create_task(registry.rebuild("audit"))
                await until_changes_wait(database, 1)
                await held.hold_before(0)
                await until_changes_wait(database, 2)
            assert await rebuild == 3
            assert (await until_state(registry, "audit", "ready")).version == 3
            await until(lambda: "audit 2" not in leaders(database))
            assert before.items() - leaders(database).items() == {("audit 2", before["audit 2"])}

    run(body)


def test_rebuilds_that_begin_together_read_each_page_once(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        registry = ProjectionRegistry(url)
        await registry.ensure()
        move_those_that_are_read(database, 3 * PAGE)
        for name in ("audit", "keys", "statistics"):
            await registry.rebuild(name)
        held = HeldLog(held_before=1)
        await held.extend(3 * PAGE)
        async with asyncio.timeout(DEADLINE_SECONDS), a_projector_of(database, held):
            await held.hold_before(0)
            for name in ("audit", "keys", "statistics"):
                await until_state(registry, name, "ready")
        assert (held.reads.count(PAGE), held.reads.count(2 * PAGE)) == (1, 1)

    run(body)
