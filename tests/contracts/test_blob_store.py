"""What every BlobStore does, in memory and in a directory."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.storage.blob_store import LEFTOVER_SECONDS, DirectoryBlobStore
from domain.errors import BlobDamaged, BlobMissing, BlobTooLarge, StoreUnavailable
from domain.ports import BlobStore
from tests.support.blobs import (
    ABSENT,
    LARGE,
    MEBIBYTE,
    Subject,
    a_subject,
    file_of,
    files_in,
    flip,
    get,
    pieces,
    put,
    run,
)


@pytest.fixture(params=["memory", "directory"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    return a_subject(request.param, tmp_path)


@pytest.fixture
def store(subject: Subject) -> BlobStore:
    return subject.store


@pytest.mark.parametrize("content", [b"", b"x", LARGE], ids=["empty", "small", "large"])
def test_what_was_put_is_read_back(store: BlobStore, content: bytes) -> None:
    async def body() -> None:
        half = len(content) // 2
        digest = await put(store, content[:half], content[half:])
        assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert await get(store, digest) == content
        found = await store.stat("t", digest)
        assert found is not None
        assert (found.digest, found.size) == (digest, len(content))

    run(body)


def test_pieces_are_handed_out_in_bounded_size(store: BlobStore) -> None:
    async def body() -> None:
        digest = await put(store, LARGE)
        assert max([len(piece) async for piece in store.read("t", digest)]) <= MEBIBYTE

    run(body)


@pytest.mark.parametrize("digest", [ABSENT, "sha256:../../etc/passwd", "md5:00", ""])
def test_what_was_never_put_is_missing(store: BlobStore, digest: str) -> None:
    async def body() -> None:
        with pytest.raises(BlobMissing):
            await get(store, digest)

    run(body)


def test_an_absent_blob_has_no_size(store: BlobStore) -> None:
    async def body() -> None:
        assert await store.stat("t", ABSENT) is None

    run(body)


def test_a_tenant_does_not_see_the_blobs_of_another(store: BlobStore) -> None:
    async def body() -> None:
        digest = await put(store, b"mine")
        assert await store.stat("other", digest) is None
        with pytest.raises(BlobMissing):
            await get(store, digest, tenant="other")

    run(body)


def test_too_many_bytes_are_refused_and_leave_nothing(store: BlobStore) -> None:
    async def body() -> None:
        with pytest.raises(BlobTooLarge):
            await store.put("t", pieces(b"1234", b"5"), limit_bytes=4)
        whole = f"sha256:{hashlib.sha256(b'12345').hexdigest()}"
        assert await store.stat("t", whole) is None

    run(body)


def test_as_many_bytes_as_allowed_are_kept(store: BlobStore) -> None:
    async def body() -> None:
        stat = await store.put("t", pieces(b"1234", b"5"), limit_bytes=5)
        assert stat.size == 5

    run(body)


def test_a_broken_upload_leaves_nothing(store: BlobStore) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield LARGE[: 2 * MEBIBYTE]
        raise ConnectionError

    async def body() -> None:
        with pytest.raises(ConnectionError):
            await store.put("t", breaking(), limit_bytes=10 * MEBIBYTE)
        part = f"sha256:{hashlib.sha256(LARGE[: 2 * MEBIBYTE]).hexdigest()}"
        assert await store.stat("t", part) is None

    run(body)


@pytest.mark.parametrize("content", [b"x", LARGE], ids=["small", "large"])
def test_damage_is_noticed_and_healed_by_another_upload(subject: Subject, content: bytes) -> None:
    async def body() -> None:
        digest = await put(subject.store, content)
        subject.damage(digest)
        with pytest.raises(BlobDamaged):
            await get(subject.store, digest)
        assert await put(subject.store, content) == digest
        assert await get(subject.store, digest) == content

    run(body)


def test_equal_contents_can_be_put_at_the_same_time(store: BlobStore) -> None:
    async def body() -> None:
        digests = await asyncio.gather(*(put(store, LARGE) for _ in range(5)))
        assert len(set(digests)) == 1
        assert await get(store, digests[0]) == LARGE

    run(body)


# What only the directory can show.


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DirectoryBlobStore]:
    store = DirectoryBlobStore(tmp_path)
    yield store
    asyncio.run(store.stop())


def test_small_damaged_content_is_never_handed_out(
    directory: DirectoryBlobStore, tmp_path: Path
) -> None:
    async def body() -> None:
        digest = await put(directory, LARGE[: 2 * MEBIBYTE])
        flip(file_of(tmp_path, digest))
        reading = directory.read("t", digest)
        with pytest.raises(BlobDamaged):
            await anext(reading)

    run(body)


def test_a_cut_off_file_is_damaged(directory: DirectoryBlobStore, tmp_path: Path) -> None:
    async def body() -> None:
        digest = await put(directory, LARGE)
        os.truncate(file_of(tmp_path, digest), 5 * MEBIBYTE)
        with pytest.raises(BlobDamaged):
            await get(directory, digest)

    run(body)


def test_an_upload_that_ends_early_leaves_no_file(
    directory: DirectoryBlobStore, tmp_path: Path
) -> None:
    async def endless(begun: asyncio.Event) -> AsyncIterator[bytes]:
        yield LARGE
        begun.set()
        await asyncio.Event().wait()

    async def body() -> None:
        begun = asyncio.Event()
        upload = asyncio.create_task(directory.put("t", endless(begun), limit_bytes=10 * MEBIBYTE))
        await begun.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        assert not files_in(tmp_path)

    run(body)


def test_only_old_leftovers_are_swept(directory: DirectoryBlobStore, tmp_path: Path) -> None:
    incoming = tmp_path / ".incoming"
    incoming.mkdir()
    (incoming / "old").touch()
    (incoming / "young").touch()
    os.utime(incoming / "old", (0, 0))
    assert LEFTOVER_SECONDS > 3600
    run(directory.start)
    assert [each.name for each in incoming.iterdir()] == ["young"]


def test_a_disk_that_fails_is_a_store_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="disk"):
        run(lambda: _put_one(DirectoryBlobStore(tmp_path / "file")))


def test_only_the_owner_can_look(directory: DirectoryBlobStore, tmp_path: Path) -> None:
    run(lambda: _put_one(directory))
    modes = {each.stat().st_mode & 0o077 for each in tmp_path.rglob("*")}
    assert modes == {0}


async def _put_one(store: BlobStore) -> None:
    await put(store, b"x")


@pytest.mark.parametrize("tenant", ["..", "", "a/b", ".incoming", "A"])
def test_a_tenant_cannot_name_another_directory(directory: DirectoryBlobStore, tenant: str) -> None:
    async def body() -> None:
        with pytest.raises(ValueError, match="tenant"):
            await put(directory, b"x", tenant=tenant)

    run(body)
