"""What every LogStore does, in memory and in PostgreSQL with files."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.memory.log_store import InMemoryLogStore
from adapters.postgres.log_store import INLINE_BYTES, StoredLogs
from adapters.postgres.tenants import TenantPool
from adapters.storage.blob_store import DirectoryBlobStore
from domain.errors import (
    BlobDamaged,
    BlobMissing,
    BlobsOfAnother,
    ConcurrencyConflict,
    LogClosed,
)
from domain.ports import LogChunk, LogStreamName
from tests.support.postgres import Database

Store = InMemoryLogStore | StoredLogs
Body = Callable[[Store], Awaitable[None]]
Run = Callable[[Body], None]

MINUTE = timedelta(minutes=1)
BIG = os.urandom(INLINE_BYTES * 2)


def runner(directory: Path, database: Database | None) -> Run:
    async def main(body: Body) -> None:
        async with asyncio.timeout(120), opened(directory, database) as store:
            await body(store)

    return lambda body: asyncio.run(main(body))


@asynccontextmanager
async def opened(directory: Path, database: Database | None) -> AsyncGenerator[Store]:
    if database is None:
        yield InMemoryLogStore()
        return
    blobs = DirectoryBlobStore(directory)
    async with TenantPool(database.service_url, "logs", size=4) as pool:
        yield StoredLogs(pool, blobs)
    await blobs.stop()


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    if request.param == "memory":
        return runner(tmp_path, None)
    return runner(tmp_path, request.getfixturevalue("database"))


def a_log(*contents: bytes, sequence: int = 0, offset: int = 0) -> Sequence[LogChunk]:
    chunks: list[LogChunk] = []
    for content in contents:
        stream: LogStreamName = "stderr" if sequence % 2 else "stdout"
        chunks.append(LogChunk(sequence=sequence, stream=stream, offset=offset, data=content))
        sequence, offset = sequence + 1, offset + len(content)
    return chunks


async def _end(store: Store, subject: str) -> tuple[int, int, bool]:
    end = await store.end("t", subject)
    return end.next_sequence, end.next_offset, end.closed


def test_an_unknown_log_is_empty(run: Run) -> None:
    async def body(store: Store) -> None:
        assert await _end(store, "none") == (0, 0, False)
        assert list(await store.read("t", "none")) == []

    run(body)


def test_chunks_are_read_back_in_order(run: Run) -> None:
    chunks = a_log(b"one\n", BIG, b"three\n")

    async def body(store: Store) -> None:
        await store.append("t", "log", chunks[:2])
        await store.append("t", "log", chunks[2:])
        assert list(await store.read("t", "log")) == list(chunks)
        assert await _end(store, "log") == (3, len(BIG) + 10, False)

    run(body)


def test_a_chunk_offered_again_is_kept_once(run: Run) -> None:
    chunks = a_log(b"one\n", BIG, b"three\n")

    async def body(store: Store) -> None:
        await store.append("t", "log", chunks[:2])
        await store.append("t", "log", chunks[:2])
        await store.append("t", "log", chunks)
        await store.append("t", "log", chunks[1:])
        assert list(await store.read("t", "log")) == list(chunks)

    run(body)


@pytest.mark.parametrize(
    "wrong",
    [a_log(b"x", sequence=2, offset=4), a_log(b"x", sequence=1, offset=3), a_log(b"x", offset=1)],
    ids=["gap", "overlap", "beginning"],
)
def test_chunks_that_do_not_continue_the_log_are_refused(
    run: Run, wrong: Sequence[LogChunk]
) -> None:
    async def body(store: Store) -> None:
        subject = "new" if wrong[0].sequence == 0 else "log"
        await store.append("t", "log", a_log(b"one\n"))
        before = await store.end("t", subject)
        with pytest.raises(ConcurrencyConflict):
            await store.append("t", subject, wrong)
        assert await store.end("t", subject) == before

    run(body)


def test_an_overlapping_retry_of_another_shape_is_refused(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append("t", "log", a_log(b"one", b"two"))
        with pytest.raises(ConcurrencyConflict):
            await store.append("t", "log", a_log(b"on", b"e", b"two"))
        assert await _end(store, "log") == (2, 6, False)

    run(body)


def test_a_repetition_that_was_cut_elsewhere_is_refused(run: Run) -> None:
    """As by two writers that follow one log, of whom one has seen more of it."""

    async def body(store: Store) -> None:
        await store.append("t", "log", a_log(b"one"))
        for other in (b"onetwo", b"o", b"two"):
            with pytest.raises(ConcurrencyConflict):
                await store.append("t", "log", a_log(other))
        await store.append("t", "log", a_log(b"one"))
        assert await _end(store, "log") == (1, 3, False)

    run(body)


@pytest.mark.parametrize("wrong", [a_log(b""), [*a_log(b"a"), *a_log(b"b", sequence=2, offset=1)]])
def test_a_batch_with_holes_is_a_mistake(run: Run, wrong: Sequence[LogChunk]) -> None:
    async def body(store: Store) -> None:
        with pytest.raises(ValueError, match="hunk"):
            await store.append("t", "log", wrong)

    run(body)


def test_a_closed_log_takes_repetitions_but_nothing_new(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append("t", "log", a_log(b"one\n"))
        await store.close("t", "log")
        await store.close("t", "log")
        await store.append("t", "log", a_log(b"one\n"))
        with pytest.raises(LogClosed):
            await store.append("t", "log", a_log(b"two\n", sequence=1, offset=4))
        assert await _end(store, "log") == (1, 4, True)

    run(body)


def test_a_log_can_be_closed_without_a_byte(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.close("t", "log")
        assert await _end(store, "log") == (0, 0, True)

    run(body)


def test_a_log_is_complete_until_the_latest_moment_that_was_marked(run: Run) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    async def body(store: Store) -> None:
        assert (await store.end("t", "log")).complete_until is None
        for until in (noon, noon + MINUTE, noon):
            await store.mark_complete("t", "log", until=until)
        await store.append("t", "log", a_log(b"of the next run"))
        assert (await store.end("t", "log")).complete_until == noon + MINUTE
        assert (await store.end("t", "other")).complete_until is None

    run(body)


def test_logs_of_tenants_and_subjects_are_apart(run: Run) -> None:
    async def body(store: Store) -> None:
        for tenant, subject in (("t", "a"), ("t", "b"), ("u", "a")):
            await store.append(tenant, subject, a_log(f"{tenant}{subject}".encode()))
        assert [chunk.data for chunk in await store.read("u", "a")] == [b"ua"]

    run(body)


def test_reading_is_bounded_but_always_gets_on(run: Run) -> None:
    chunks = a_log(BIG, b"a", b"b", b"c")

    async def body(store: Store) -> None:
        await store.append("t", "log", chunks)
        assert list(await store.read("t", "log", limit_bytes=1)) == list(chunks[:1])
        end = len(BIG)
        found = await store.read("t", "log", from_offset=end, limit_bytes=2)
        assert list(found) == list(chunks[1:3])
        assert list(await store.read("t", "log", from_offset=end + 3)) == []

    run(body)


def test_an_erased_log_was_never_there(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append("t", "log", a_log(b"small", BIG))
        await store.append("t", "twin", a_log(BIG))
        await store.erase("t", "log")
        assert await _end(store, "log") == (0, 0, False)
        assert list(await store.read("t", "log")) == []
        assert [chunk.data for chunk in await store.read("t", "twin")] == [BIG]

    run(body)


contents = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=30),
        st.integers(INLINE_BYTES - 1, INLINE_BYTES + 1).map(lambda size: b"x" * size),
    ),
    max_size=12,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(contents=contents, batch=st.integers(1, 5), data=st.data())
def test_any_split_reads_back_identically_from_any_offset(
    run: Run, contents: list[bytes], batch: int, data: st.DataObject
) -> None:
    whole = b"".join(contents)
    chunks = a_log(*contents)
    offset = data.draw(st.integers(0, len(whole)))
    limit = data.draw(st.integers(1, len(whole) + 1))

    async def body(store: Store) -> None:
        await store.erase("t", "log")
        for start in range(0, len(chunks), batch):
            await store.append("t", "log", chunks[start : start + batch])
        read = b""
        while found := await store.read(
            "t", "log", from_offset=offset + len(read), limit_bytes=limit
        ):
            piece = b"".join(chunk.data for chunk in found)
            read += piece[offset + len(read) - found[0].offset :]
        assert read == whole[offset:]

    run(body)


# What only the stored one can show.


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, INLINE_BYTES // 2 - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(database: Database, tmp_path: Path, place: int, bit: int) -> None:
    small = b"y" * (INLINE_BYTES // 2)

    async def body(store: Store) -> None:
        for subject, content in (("small", small), ("large", BIG)):
            await store.erase("t", subject)
            await store.append("t", subject, a_log(content))
        _flip_row(database, place, bit)
        _flip_file(tmp_path, place, bit)
        for subject in ("small", "large"):
            with pytest.raises(BlobDamaged):
                await store.read("t", subject)

    runner(tmp_path, database)(body)


def test_a_lost_file_is_missing(database: Database, tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await store.append("t", "log", a_log(BIG))
        _files(tmp_path)[0].unlink()
        with pytest.raises(BlobMissing):
            await store.read("t", "log")

    runner(tmp_path, database)(body)


def test_erasing_removes_rows_and_files(database: Database, tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        await store.append("t", "log", a_log(b"small", BIG, BIG))
        assert len(_files(tmp_path)) == 1
        await store.erase("t", "log")
        assert _files(tmp_path) == []
        with database.as_owner() as connection:
            assert connection.execute("SELECT FROM logs.chunks").rowcount == 0
            assert connection.execute("SELECT FROM logs.subjects").rowcount == 0

    runner(tmp_path, database)(body)


def test_files_that_no_log_needs_can_be_removed(database: Database, tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        assert isinstance(store, StoredLogs)
        await store.append("t", "log", a_log(BIG))
        with pytest.raises(ConcurrencyConflict):
            await store.append("t", "log", a_log(BIG[1:], sequence=7, offset=7))
        assert len(_files(tmp_path)) == 2
        assert await store.remove_orphans("ours") == 0  # they are young
        with pytest.raises(BlobsOfAnother):
            await store.remove_orphans("another's", older_than=-MINUTE)
        assert await store.remove_orphans("ours", older_than=-MINUTE) == 1
        assert [chunk.data for chunk in await store.read("t", "log")] == [BIG]

    runner(tmp_path, database)(body)


def test_two_writers_of_one_log_leave_it_whole(database: Database, tmp_path: Path) -> None:
    chunks = a_log(*(f"line {number}\n".encode() for number in range(50)))

    async def write(store: Store) -> None:
        for chunk in chunks:
            await store.append("t", "log", [chunk])

    async def body(store: Store) -> None:
        await asyncio.gather(write(store), write(store))
        assert list(await store.read("t", "log")) == list(chunks)

    runner(tmp_path, database)(body)


def _files(directory: Path) -> list[Path]:
    return [each for each in directory.rglob("*") if each.is_file()]


def _flip_row(database: Database, place: int, bit: int) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "UPDATE logs.chunks SET content = set_bit(content, %s, 1 - get_bit(content, %s))"
            " WHERE subject = 'small'",
            [place * 8 + bit, place * 8 + bit],
        )


def _flip_file(directory: Path, place: int, bit: int) -> None:
    (file,) = _files(directory)
    content = bytearray(file.read_bytes())
    content[place] ^= 1 << bit
    file.write_bytes(content)
