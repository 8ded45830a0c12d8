"""What every BlobStore does, in memory and in a directory."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.memory.blob_store import InMemoryBlobStore
from adapters.storage import files
from adapters.storage.blob_store import LEFTOVER_SECONDS, DirectoryBlobStore
from adapters.storage.files import locked
from domain.errors import BlobDamaged, BlobMissing, BlobTooLarge, StoreUnavailable
from domain.ports import BlobStat, BlobStore

MEBIBYTE = 1024 * 1024
SHORT_SECONDS = 0.2  # a call that nothing held up would have come to its end
LARGE = os.urandom(MEBIBYTE) * 6
ABSENT = f"sha256:{'0' * 64}"

HOUR = 3600.0

Change = Callable[[str], None]


class Subject:
    """damage: flips a bit of a blob. age: makes it two hours old."""

    def __init__(self, store: BlobStore, *, damage: Change, age: Change) -> None:
        self.store = store
        self.damage = damage
        self.age = age


@pytest.fixture(params=["memory", "directory"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    if request.param == "memory":
        memory = InMemoryBlobStore()
        return Subject(
            memory,
            damage=lambda digest: memory.damage("t", digest),
            age=lambda digest: memory.age("t", digest, 2 * HOUR),
        )
    return Subject(
        DirectoryBlobStore(tmp_path),
        damage=lambda digest: flip(file_of(tmp_path, digest)),
        age=lambda digest: make_old(file_of(tmp_path, digest)),
    )


@pytest.fixture
def store(subject: Subject) -> BlobStore:
    return subject.store


def file_of(root: Path, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    return root / "t" / "sha256" / name[:2] / name[2:]


def files_in(root: Path) -> list[Path]:
    return [each for each in root.rglob("*") if each.is_file()]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def make_old(file: Path) -> None:
    then = time.time() - 2 * HOUR
    os.utime(file, (then, then))


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=HOUR)


async def old_ones(store: BlobStore, tenant: str = "t") -> list[str]:
    return [digest async for part in store.list_old(tenant, an_hour_ago()) for digest in part]


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def put(store: BlobStore, *contents: bytes, tenant: str = "t") -> str:
    stat = await store.put(tenant, pieces(*contents), limit_bytes=10 * MEBIBYTE)
    assert stat.size == sum(map(len, contents))
    return stat.digest


async def get(store: BlobStore, digest: str, *, tenant: str = "t") -> bytes:
    return b"".join([piece async for piece in store.read(tenant, digest)])


def run(awaitable: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60):
            await awaitable()

    asyncio.run(main())


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


async def _put_one(store: BlobStore) -> None:
    await put(store, b"x")


@pytest.mark.parametrize("tenant", ["..", "", "a/b", ".incoming", "A"])
def test_a_tenant_cannot_name_another_directory(directory: DirectoryBlobStore, tenant: str) -> None:
    async def body() -> None:
        with pytest.raises(ValueError, match="tenant"):
            await put(directory, b"x", tenant=tenant)

    run(body)
