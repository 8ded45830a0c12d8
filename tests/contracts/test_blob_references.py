"""What every BlobReferences does, in memory and in PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from adapters.memory.blob_references import InMemoryBlobReferences
from adapters.postgres.blob_references import PostgresBlobReferences
from adapters.postgres.tenants import TenantPool
from domain.ports import BlobReferences
from tests.support.postgres import Database

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")

Body = Callable[[BlobReferences], Awaitable[None]]
Run = Callable[[Body], None]


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "memory":

        async def in_memory(body: Body) -> None:
            await body(InMemoryBlobReferences())

        return lambda body: asyncio.run(in_memory(body))
    database: Database = request.getfixturevalue("database")

    async def in_postgres(body: Body) -> None:
        async with asyncio.timeout(60), TenantPool(database.service_url, "blobs", size=4) as pool:
            await body(PostgresBlobReferences(pool))

    return lambda body: asyncio.run(in_postgres(body))


def test_what_was_added_is_mentioned_and_the_rest_is_not(run: Run) -> None:
    async def body(references: BlobReferences) -> None:
        assert await references.position() == 0
        assert await references.add([A, B], after=0, position=7)
        assert await references.position() == 7
        assert await references.mentioned([A, C]) == {A}
        assert await references.mentioned([]) == set()

    run(body)


def test_a_digest_may_be_added_many_times(run: Run) -> None:
    async def body(references: BlobReferences) -> None:
        assert await references.add([A], after=0, position=1)
        assert await references.add([A, B], after=1, position=2)
        assert await references.mentioned([A, B]) == {A, B}

    run(body)


def test_who_read_from_elsewhere_adds_nothing(run: Run) -> None:
    async def body(references: BlobReferences) -> None:
        assert await references.add([A], after=0, position=5)
        assert not await references.add([B], after=0, position=9)
        assert not await references.add([B], after=4, position=9)
        assert await references.position() == 5
        assert await references.mentioned([A, B]) == {A}

    run(body)


def test_of_two_that_read_the_same_one_adds(run: Run) -> None:
    async def body(references: BlobReferences) -> None:
        added = await asyncio.gather(
            *(references.add([A, B, C], after=0, position=3) for _ in range(4))
        )
        assert sorted(added) == [False, False, False, True]
        assert await references.position() == 3

    run(body)


def test_a_log_can_be_read_again_from_its_beginning(run: Run) -> None:
    async def body(references: BlobReferences) -> None:
        await references.add([A], after=0, position=5)
        assert await references.add((), after=5, position=0)
        assert await references.position() == 0
        assert await references.mentioned([A]) == {A}

    run(body)
