"""What every LogStore does, in memory and in PostgreSQL with files."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.log_store import INLINE_BYTES
from domain.errors import ConcurrencyConflict, LogClosed
from domain.ports import LogChunk
from tests.support.logs import BIG, Run, Store, a_log, runner

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    if request.param == "memory":
        return runner(tmp_path, None)
    return runner(tmp_path, request.getfixturevalue("database"))


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
