"""How old blobs are in every BlobStore, and that only old ones are removed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.storage import files
from adapters.storage.blob_store import DirectoryBlobStore
from adapters.storage.files import locked
from domain.errors import StoreUnavailable
from domain.ports import BlobStat, BlobStore
from tests.support.blobs import (
    ABSENT,
    LARGE,
    MEBIBYTE,
    SHORT_SECONDS,
    Subject,
    a_subject,
    an_hour_ago,
    file_of,
    files_in,
    get,
    make_old,
    old_ones,
    put,
    run,
)


@pytest.fixture(params=["memory", "directory"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    return a_subject(request.param, tmp_path)


@pytest.fixture
def store(subject: Subject) -> BlobStore:
    return subject.store


def test_what_is_old_is_listed_and_what_is_young_is_not(subject: Subject) -> None:
    async def body() -> None:
        old, _ = await put(subject.store, b"old"), await put(subject.store, b"young")
        subject.age(old)
        assert await old_ones(subject.store) == [old]
        assert await old_ones(subject.store, "other") == []

    run(body)


@pytest.mark.parametrize("renew", ["put", "touch"])
def test_a_blob_that_is_put_again_or_touched_is_young(subject: Subject, renew: str) -> None:
    async def body() -> None:
        digest = await put(subject.store, b"content")
        subject.age(digest)
        if renew == "put":
            await put(subject.store, b"content")
        else:
            found = await subject.store.touch("t", digest)
            assert found == BlobStat(digest=digest, size=7)
        assert await old_ones(subject.store) == []
        assert await subject.store.remove_old("t", [digest], an_hour_ago()) == []
        assert await get(subject.store, digest) == b"content"

    run(body)


def test_what_is_absent_cannot_be_touched(store: BlobStore) -> None:
    async def body() -> None:
        assert await store.touch("t", ABSENT) is None
        await put(store, b"x")
        assert await store.touch("t", ABSENT) is None
        assert await store.stat("t", ABSENT) is None

    run(body)


def test_only_what_is_old_and_named_is_removed(subject: Subject) -> None:
    async def body() -> None:
        contents = (b"old and named", b"old", b"young")
        named, old, young = [await put(subject.store, content) for content in contents]
        elsewhere = await put(subject.store, b"old and named", tenant="other")
        for digest in (named, old):
            subject.age(digest)
        removed = await subject.store.remove_old("t", [named, young, ABSENT], an_hour_ago())
        assert removed == [BlobStat(digest=named, size=13)]
        assert await subject.store.stat("t", named) is None
        assert await get(subject.store, old) == b"old"
        assert await get(subject.store, young) == b"young"
        assert await get(subject.store, elsewhere, tenant="other") == b"old and named"

    run(body)


def test_a_blob_that_was_touched_in_time_is_never_removed(subject: Subject) -> None:
    """Whoever is told that it is there finds it there, however the two calls fall together."""

    async def body() -> None:
        for _ in range(100):
            digest = await put(subject.store, b"content")
            subject.age(digest)
            removing = subject.store.remove_old("t", [digest], an_hour_ago())
            found, removed = await asyncio.gather(subject.store.touch("t", digest), removing)
            assert (found is None) == bool(removed)
            assert await subject.store.stat("t", digest) == found

    run(body)


def test_tenants_that_have_blobs_are_listed(store: BlobStore) -> None:
    async def body() -> None:
        assert list(await store.tenants()) == []
        for tenant in ("b", "a", "b"):
            await put(store, b"x", tenant=tenant)
        assert list(await store.tenants()) == ["a", "b"]

    run(body)


def test_blobs_belong_to_the_installation_that_asks_first(store: BlobStore) -> None:
    async def body() -> None:
        assert await store.belong_to("first")
        assert not await store.belong_to("second")
        assert await store.belong_to("first")

    run(body)


# What only the directory can show.


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DirectoryBlobStore]:
    store = DirectoryBlobStore(tmp_path)
    yield store
    asyncio.run(store.stop())


def test_a_slow_upload_is_young_when_it_is_done(
    directory: DirectoryBlobStore, tmp_path: Path
) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield LARGE
        for file in files_in(tmp_path):
            make_old(file)

    async def body() -> None:
        await directory.put("t", slow(), limit_bytes=10 * MEBIBYTE)
        assert await old_ones(directory) == []

    run(body)


@pytest.mark.parametrize("call", ["touch", "put"])
def test_nothing_is_renewed_while_somebody_removes_it(
    directory: DirectoryBlobStore, tmp_path: Path, call: str
) -> None:
    async def body() -> None:
        digest = await put(directory, b"content")
        file = file_of(tmp_path, digest)
        with locked(file.parent):
            renewing = asyncio.ensure_future(
                directory.touch("t", digest) if call == "touch" else put(directory, b"content")
            )
            done, _ = await asyncio.wait({renewing}, timeout=SHORT_SECONDS)
            assert not done
            file.unlink()
        assert await renewing == (None if call == "touch" else digest)
        assert file.exists() == (call == "put")

    run(body)


def test_nothing_is_removed_while_somebody_renews_it(
    directory: DirectoryBlobStore, tmp_path: Path
) -> None:
    async def body() -> None:
        digest = await put(directory, b"content")
        file = file_of(tmp_path, digest)
        make_old(file)
        with locked(file.parent, shared=True):
            removing = asyncio.ensure_future(directory.remove_old("t", [digest], an_hour_ago()))
            done, _ = await asyncio.wait({removing}, timeout=SHORT_SECONDS)
            assert not done
            file.touch()
        assert await removing == []
        assert await get(directory, digest) == b"content"

    run(body)


def test_a_lock_that_is_never_given_back_is_not_waited_for_long(
    directory: DirectoryBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.0)

    async def body() -> None:
        digest = await put(directory, b"content")
        with (
            locked(file_of(tmp_path, digest).parent),
            pytest.raises(StoreUnavailable, match="locked"),
        ):
            await directory.touch("t", digest)

    run(body)
