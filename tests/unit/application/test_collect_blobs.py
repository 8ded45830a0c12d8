"""Blobs that no event mentions are deleted when they are old, and no other one ever is."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from adapters.storage.digests import digest_of
from domain.application import collect_blobs
from domain.application.collect_blobs import Collected
from domain.builds.commands import CancelBuild
from domain.errors import BlobsOfAnother
from domain.event import DEFAULT_TENANT
from domain.storage.events import BlobsCollected
from tests.support.storage import DAY_SECONDS, Storage


def run(body: Callable[[Storage], Awaitable[None]]) -> None:
    asyncio.run(_within_a_minute(body(Storage())))


async def _within_a_minute(body: Awaitable[None]) -> None:
    async with asyncio.timeout(60):
        await body


def test_what_is_old_and_not_mentioned_is_deleted_and_the_log_says_how_much() -> None:
    async def body(at: Storage) -> None:
        old, older, young = await at.put_old(b"1"), await at.put_old(b"22"), await at.put(b"333")
        (collected,) = await at.collector().collect()
        assert collected == Collected(tenant=DEFAULT_TENANT, count=2, size=3)
        assert [await at.is_there(digest) for digest in (old, older, young)] == [False, False, True]
        (event,) = await at.events()
        assert isinstance(event, BlobsCollected)
        assert (event.count, event.size) == (2, 3)
        assert "sha256:" not in str(event)

    run(body)


def test_what_an_event_mentions_is_kept_for_ever() -> None:
    async def body(at: Storage) -> None:
        source, casually = await at.put_old(b"source"), await at.put_old(b"casually")
        build_id = await at.submit(source)
        await at.send(CancelBuild(build_id=build_id, reason=f"I meant {casually}, sorry"))
        for _ in range(2):
            await at.collector().collect()
        assert await at.is_there(source)
        assert await at.is_there(casually)
        assert not [e for e in await at.events() if isinstance(e, BlobsCollected)]

    run(body)


def test_an_event_that_comes_while_blobs_are_listed_keeps_its_blob() -> None:
    async def body() -> None:
        late: list[str] = []

        async def pause() -> None:
            if late:
                await at.submit(late.pop())

        at = Storage(pause)
        late.append(await at.put_old(b"source"))
        await at.collector().collect()
        assert await at.is_there(digest_of(b"source"))

    asyncio.run(_within_a_minute(body()))


def test_a_dry_run_deletes_nothing_and_says_what_would_be() -> None:
    async def body(at: Storage) -> None:
        old = await at.put_old(b"22")
        (collected,) = await at.collector().collect(dry_run=True)
        assert collected == Collected(tenant=DEFAULT_TENANT, count=1, size=2)
        assert await at.is_there(old)
        assert await at.events() == []

    run(body)


def test_each_tenant_has_a_record_of_its_own() -> None:
    async def body(at: Storage) -> None:
        for tenant in ("a", "b"):
            await at.put_old(b"x", tenant)
        assert [each.tenant for each in await at.collector().collect()] == ["a", "b"]
        recorded = await at.log.read_log(0)
        assert [each.tenant for each in recorded] == ["a", "b"]

    run(body)


def test_a_run_is_bounded_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_blobs, "MOST_AT_ONCE", 2)

    async def body(at: Storage) -> None:
        for content in (b"1", b"2", b"3"):
            await at.put_old(content)
        counts = [(await at.collector().collect())[0].count for _ in range(2)]
        assert counts == [2, 1]

    run(body)


def test_another_installations_log_deletes_nothing() -> None:
    async def body(at: Storage) -> None:
        old = await at.put(b"x")
        await at.collector("ours").collect()
        at.blobs.age(DEFAULT_TENANT, old, 2 * DAY_SECONDS)
        with pytest.raises(BlobsOfAnother):
            await at.collector("another's").collect()
        assert await at.is_there(old)

    run(body)


def test_a_log_that_is_shorter_than_what_was_read_is_read_again() -> None:
    async def body(at: Storage) -> None:
        await at.references.add((), after=0, position=1_000)
        source = await at.put_old(b"x")
        await at.submit(source)
        await at.collector().collect()
        assert await at.is_there(source)

    run(body)
