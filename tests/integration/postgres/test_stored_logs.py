"""What only logs that are rows and files can show: damage, leftovers, and two writers."""

import asyncio
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.log_store import INLINE_BYTES, StoredLogs
from domain.errors import BlobDamaged, BlobMissing, BlobsOfAnother, ConcurrencyConflict
from tests.support.logs import BIG, Store, a_log, runner
from tests.support.postgres import Database

MINUTE = timedelta(minutes=1)


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
