"""A new version is built beside the one that is read, compared, and read from one moment on."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import psycopg
import pytest

from adapters.postgres.connections import parameters
from adapters.postgres.projection_check import compare, verify_projections
from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.projection_tables import ProjectionTable
from adapters.postgres.read_models import BY_KEY
from domain.errors import StoreUnavailable
from domain.event import RecordedEvent
from projections.audit import AUDIT, AuditRow
from projections.catalog import READ_MODELS
from projections.errors import ProjectionNotReady, UnknownProjection
from projections.model import ReadModel
from projections.queries import Slice
from tests.integration.projections.support import NAMES, appends, leaders, until, until_at
from tests.support.postgres import Database
from tests.support.read_models import (
    DEADLINE_SECONDS,
    ReadSide,
    a_log,
    a_projector,
    on_postgres,
    until_state,
)

Body = Callable[[ReadSide, ProjectionRegistry], Awaitable[None]]


@pytest.fixture
def run(database: Database) -> Callable[[Body], None]:
    async def main(body: Body) -> None:
        url = database.service_url
        async with asyncio.timeout(2 * DEADLINE_SECONDS), on_postgres(url) as side:
            for append in appends(30):
                await side.store.append(append)
            await until_at(url, 30)
            await body(side, ProjectionRegistry(url))

    return lambda body: asyncio.run(main(body))


async def audited(side: ReadSide, position: int = 0) -> tuple[int, int]:
    """The version that answered, and how many rows it has."""
    page = await side.queries.list_audit("default", page=Slice(limit=500, min_position=position))
    return page.version, len(page.items)


async def until_read(side: ReadSide, version: int) -> None:
    while True:
        if (await audited(side))[0] == version:
            return
        await asyncio.sleep(0.02)


def test_rows_of_an_earlier_release_are_not_there_rather_than_an_error_of_ours(
    run: Callable[[Body], None], database: Database
) -> None:
    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        del registry
        with psycopg.connect(database.service_url, autocommit=True) as connection:
            connection.execute("DROP VIEW read_models.audit")
            connection.execute(
                "CREATE VIEW read_models.audit WITH (security_invoker = true) AS"
                " SELECT tenant, first_position FROM read_models.audit_v1"
            )
        with pytest.raises(StoreUnavailable, match="of an earlier release"):
            await audited(side)

    run(body)


def test_rows_are_looked_up_by_their_keys_also_by_a_plan_made_while_there_were_none(
    database: Database,
) -> None:
    """Else each page of a rebuild would go through all rows that it has made so far."""

    async def make_tables() -> None:
        await ProjectionRegistry(database.service_url).ensure()

    asyncio.run(make_tables())
    with contextlib.closing(database.as_owner()) as owner:
        owner.execute("VACUUM ANALYZE")  # by which PostgreSQL knows that they are empty
    settings = parameters("test", every_tenant=True)
    settings["options"] += f" {BY_KEY}"
    with psycopg.connect(database.service_url, **settings) as connection:
        for model in READ_MODELS:
            load = ProjectionTable(model, 1).load
            plan = connection.execute(b"EXPLAIN " + load, ["[]"]).fetchall()
            assert any("Index Cond" in line for (line,) in plan), (model.name, plan)


def test_readers_see_the_old_version_until_the_switch(run: Callable[[Body], None]) -> None:
    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        assert await registry.rebuild("audit") == 2
        ready = await until_state(registry, "audit", "ready")
        assert (ready.version, ready.active, ready.position) == (2, False, 30)
        assert await audited(side) == (1, 30)
        assert await registry.switch("audit") == 2
        assert await audited(side) == (2, 30)

    run(body)


def test_the_new_version_goes_on_with_the_log_before_and_after_the_switch(
    run: Callable[[Body], None], database: Database
) -> None:
    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        await registry.rebuild("audit")
        await until_state(registry, "audit", "ready")
        for append in appends(10):
            await side.store.append(append)
        comparison = await compare(database.service_url, "audit")
        assert (comparison.version, comparison.other_version) == (1, 2)
        assert comparison.equal
        assert comparison.checksum == comparison.other_checksum
        await registry.switch("audit")
        for append in appends(10):
            await side.store.append(append)
        assert await audited(side, 50) == (2, 50)

    run(body)


def test_the_comparison_says_which_rows_differ(
    run: Callable[[Body], None], database: Database
) -> None:
    async def body(_: ReadSide, registry: ProjectionRegistry) -> None:
        await registry.rebuild("audit")
        await until_state(registry, "audit", "ready")
        with database.as_owner() as owner:
            owner.execute("DELETE FROM read_models.audit_v1 WHERE first_position = 3")
            owner.execute("UPDATE read_models.audit_v2 SET actor = 'x' WHERE first_position = 9")
        comparison = await compare(database.service_url, "audit")
        assert (comparison.rows, comparison.other_rows, comparison.differing) == (29, 30, 2)
        assert all(key.startswith('["default", "command-') for key in comparison.keys)

    run(body)


def test_going_back_reads_the_old_rows_and_brings_them_up_to_the_log(
    run: Callable[[Body], None],
) -> None:
    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        await registry.rebuild("audit")
        await until_state(registry, "audit", "ready")
        await registry.switch("audit")
        for append in appends(10):
            await side.store.append(append)
        assert await audited(side, 40) == (2, 40)
        assert await registry.switch("audit", 1) == 1
        assert await audited(side, 40) == (1, 40)

    run(body)


def test_a_version_that_cannot_be_compared_is_told_from_one_that_does_not_exist(
    run: Callable[[Body], None], database: Database
) -> None:
    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        with pytest.raises(UnknownProjection, match=r"audit version 9\. Known are 1\."):
            await compare(database.service_url, "audit", 9)
        with pytest.raises(ProjectionNotReady, match="audit version 1 is the one that is read"):
            await compare(database.service_url, "audit", 1)
        with pytest.raises(ProjectionNotReady, match=r"^audit has no version that is ready"):
            await compare(database.service_url, "audit")
        await registry.rebuild("audit")
        await until_state(registry, "audit", "ready")
        await registry.switch("audit")
        with pytest.raises(ProjectionNotReady, match="audit version 1 is retired"):
            await compare(database.service_url, "audit", 1)

    run(body)


def test_a_retired_version_does_not_lag(run: Callable[[Body], None]) -> None:
    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        await registry.rebuild("audit")
        await until_state(registry, "audit", "ready")
        await registry.switch("audit")
        for append in appends(10):
            await side.store.append(append)
        retired = [s for s in await registry.list_statuses() if s.state == "retired"]
        assert [(s.name, s.version, s.lag) for s in retired] == [("audit", 1, 0)]

    run(body)


def test_what_is_not_ready_cannot_be_switched_to(
    run: Callable[[Body], None], database: Database
) -> None:
    async def body(_: ReadSide, registry: ProjectionRegistry) -> None:
        with pytest.raises(ProjectionNotReady):
            await registry.switch("audit")
        with pytest.raises(UnknownProjection, match=r"audit version 9\. Known are 1\."):
            await registry.switch("audit", 9)
        with pytest.raises(UnknownProjection, match=r"nothing\. Known are containers, builds"):
            await registry.rebuild("nothing")
        with pytest.raises(ProjectionNotReady):
            await compare(database.service_url, "audit")

    run(body)


def test_old_versions_go_with_the_next_rebuild_all_but_one(run: Callable[[Body], None]) -> None:
    async def body(_: ReadSide, registry: ProjectionRegistry) -> None:
        for _round in range(3):
            version = await registry.rebuild("keys")
            while (await until_state(registry, "keys", "ready")).version != version:
                pass
            await registry.switch("keys")
        await registry.rebuild("keys")
        versions = [s.version for s in await registry.list_statuses() if s.name == "keys"]
        assert versions == [3, 4, 5]

    run(body)


def test_a_rebuild_takes_the_place_of_earlier_ones_that_nobody_switched_to(
    run: Callable[[Body], None], database: Database
) -> None:
    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        await registry.rebuild("audit")
        await until_state(registry, "audit", "ready")
        await registry.rebuild("audit")  # is being built, maybe, when the next one begins
        assert await registry.rebuild("audit") == 4
        versions = [s.version for s in await registry.list_statuses() if s.name == "audit"]
        assert versions == [1, 4]
        await until_state(registry, "audit", "ready")
        expected = {f"{name} 1" for name in NAMES} | {"audit 4"}
        await until(lambda: leaders(database).keys() == expected)
        assert tables(database, "audit") == ["audit", "audit_v1", "audit_v4"]
        for append in appends(10):
            await side.store.append(append)
        assert await audited(side, 40) == (1, 40)

    run(body)


def test_a_rebuild_leaves_the_version_that_a_new_release_will_switch_to(
    database: Database,
) -> None:
    async def body() -> None:
        newer: ReadModel[Any] = msgspec.structs.replace(AUDIT, code_version=2)
        older = ProjectionRegistry(database.service_url)
        await older.ensure()
        await ProjectionRegistry(database.service_url, [newer]).ensure()
        assert await older.rebuild("audit") == 3
        versions = [s.version for s in await older.list_statuses() if s.name == "audit"]
        assert versions == [1, 2, 3]

    asyncio.run(body())


def tables(database: Database, name: str) -> list[str]:
    with database.as_owner() as owner:
        found = owner.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'read_models'::regnamespace"
            " AND relkind IN ('r', 'v') AND relname ~ %s ORDER BY relname",
            [f"^{name}(_v.*)?$"],
        )
        return [relname for (relname,) in found.fetchall()]


def shouting(row: AuditRow | None, recorded: RecordedEvent) -> AuditRow | None:
    made = AUDIT.project(row, recorded)
    return made and msgspec.structs.replace(made, actor=made.actor.upper())


def test_a_program_that_makes_other_rows_builds_them_beside_and_then_reads_them(
    run: Callable[[Body], None], database: Database
) -> None:
    newer: ReadModel[Any] = msgspec.structs.replace(AUDIT, code_version=2, project=shouting)
    url = database.service_url

    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        newer_registry = ProjectionRegistry(url, [newer])
        await newer_registry.ensure()
        assert await audited(side) == (1, 30)
        async with a_log(url) as (_, tail), a_projector(url, tail, [newer]):
            await until_read(side, 2)
            page = await side.queries.list_audit("default")
            assert {row.actor for row in page.items} == {"KEY:TESTS"}
            assert (await verify_projections(url, [newer])).equal
        # The older program, started again, takes its own rows up where it left them.
        await registry.ensure()
        await until_read(side, 1)

    run(body)


def test_switching_never_leaves_a_reader_without_an_answer(run: Callable[[Body], None]) -> None:
    async def body(side: ReadSide, registry: ProjectionRegistry) -> None:
        await registry.rebuild("audit")
        await until_state(registry, "audit", "ready")
        switched = asyncio.Event()
        seen: set[tuple[int, int]] = set()

        async def read() -> None:
            while not switched.is_set():
                seen.add(await audited(side))

        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(read()) for _ in range(3)]
            for version in (2, 1, 2, 1, 2):
                await registry.switch("audit", version)
            switched.set()
        assert len(readers) == 3
        assert seen <= {(1, 30), (2, 30)}

    run(body)
