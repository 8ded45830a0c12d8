"""What every Identities does, in memory and in PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from adapters.memory.identities import InMemoryIdentities
from adapters.postgres.identities import PostgresIdentities
from adapters.postgres.tenants import TenantPool
from domain.ports import Identities
from tests.support.postgres import Database

Body = Callable[[Identities], Awaitable[None]]
Run = Callable[[Body], None]


async def in_memory(body: Body) -> None:
    await body(InMemoryIdentities())


async def in_postgres(database: Database, body: Body) -> None:
    async with asyncio.timeout(60), TenantPool(database.service_url, "identities", size=2) as pool:
        await body(PostgresIdentities(pool))


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "memory":
        return lambda body: asyncio.run(in_memory(body))
    database: Database = request.getfixturevalue("database")
    return lambda body: asyncio.run(in_postgres(database, body))


def test_subjects_are_called_by_their_newest_label(run: Run) -> None:
    async def body(identities: Identities) -> None:
        await identities.put("t", "key:1", "dashboard")
        await identities.put("t", "key:2", "☃")
        await identities.put("t", "key:1", "wall display")
        found = await identities.labels("t", ["key:1", "key:2", "key:none"])
        assert found == {"key:1": "wall display", "key:2": "☃"}
        assert await identities.labels("t", []) == {}

    run(body)


def test_an_erased_label_is_gone_and_no_other(run: Run) -> None:
    async def body(identities: Identities) -> None:
        for subject in ("key:1", "key:2"):
            await identities.put("t", subject, subject)
        await identities.erase("t", "key:1")
        await identities.erase("t", "key:1")
        assert await identities.labels("t", ["key:1", "key:2"]) == {"key:2": "key:2"}

    run(body)


def test_tenants_do_not_see_or_erase_each_others_labels(run: Run) -> None:
    async def body(identities: Identities) -> None:
        await identities.put("t", "key:1", "dashboard")
        assert await identities.labels("u", ["key:1"]) == {}
        await identities.erase("u", "key:1")
        assert await identities.labels("t", ["key:1"]) == {"key:1": "dashboard"}

    run(body)
