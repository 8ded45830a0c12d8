"""A log is kept whole: no byte lost and none doubled, however its following breaks off."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.log_store import InMemoryLogStore
from api.workers.log_follower import CHUNK_BYTES, LogFollower, LogLimits
from domain.builds.events import StepLog
from domain.errors import StoreUnavailable
from domain.ports import LogChunk, LogFrame, LogStreamName

FRAMES = st.lists(
    st.builds(
        LogFrame,
        stream=st.sampled_from(("stdout", "stderr")),
        data=st.binary(max_size=6) | st.just(b"x: error: y\n"),
    ),
    max_size=12,
)
TENANT, SUBJECT = "default", "container-a/1"


async def _frames(
    frames: Sequence[LogFrame], *, breaks_after: int | None = None
) -> AsyncGenerator[LogFrame]:
    for number, frame in enumerate(frames):
        if number == breaks_after:
            raise ConnectionError("the engine went away")
        yield frame


def _follower(logs: InMemoryLogStore, max_bytes: int = 10_000) -> LogFollower:
    limits = LogLimits(max_bytes=max_bytes)
    return LogFollower(logs=logs, tenant=TENANT, subject=SUBJECT, limits=limits)


def _by_stream(pieces: Sequence[tuple[LogStreamName, bytes]]) -> list[tuple[str, int]]:
    """Which stream each byte came from, in order."""
    return [(stream, byte) for stream, data in pieces for byte in data]


@settings(deadline=None, max_examples=60)
@given(FRAMES, st.lists(st.integers(0, 12), max_size=3))
def test_no_byte_is_lost_or_doubled_however_often_it_breaks_off(
    frames: list[LogFrame], breaks: list[int]
) -> None:
    async def body() -> tuple[StepLog, list[tuple[str, int]]]:
        logs = InMemoryLogStore()
        for after in breaks:
            try:
                await _follower(logs).follow(_frames(frames, breaks_after=after), close=False)
            except ConnectionError:
                continue
        kept = await _follower(logs).follow(_frames(frames))
        chunks = await logs.read(TENANT, SUBJECT)
        return kept, _by_stream([(chunk.stream, chunk.data) for chunk in chunks])

    kept, stored = asyncio.run(body())
    everything = b"".join(frame.data for frame in frames)
    assert stored == _by_stream([(frame.stream, frame.data) for frame in frames])
    assert kept.size == len(everything)
    assert kept.digest == f"sha256:{hashlib.sha256(everything).hexdigest()}"
    assert not kept.truncated


@settings(deadline=None, max_examples=30)
@given(FRAMES, st.integers(0, 40))
def test_what_is_beyond_the_limit_is_not_kept_which_its_last_line_says(
    frames: list[LogFrame], limit: int
) -> None:
    async def body() -> tuple[StepLog, bytes]:
        logs = InMemoryLogStore()
        kept = await _follower(logs, limit).follow(_frames(frames))
        assert await _follower(logs, limit).follow(_frames(frames), close=False) == kept
        return kept, b"".join(chunk.data for chunk in await logs.read(TENANT, SUBJECT))

    kept, stored = asyncio.run(body())
    everything = b"".join(frame.data for frame in frames)
    beyond = len(everything) > limit
    note = f"\n[Only the first {limit} bytes of this log are kept.]\n".encode()
    assert stored == everything[:limit] + (note if beyond else b"")
    assert (kept.size, kept.truncated) == (len(stored), beyond)
    assert kept.digest == f"sha256:{hashlib.sha256(stored).hexdigest()}"


async def _stored(logs: InMemoryLogStore) -> bytes:
    return b"".join(chunk.data for chunk in await logs.read(TENANT, SUBJECT))


def test_what_is_written_without_a_pause_is_kept_while_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.workers.log_follower.FLUSH_SECONDS", 0.05)

    async def body() -> None:
        logs = InMemoryLogStore()

        async def without_a_pause() -> AsyncGenerator[LogFrame]:
            for _ in range(CHUNK_BYTES // 10 - 1):
                yield LogFrame(stream="stdout", data=b"ten bytes\n")
                await asyncio.sleep(0)
                if await _stored(logs):
                    return
            pytest.fail("nothing was kept")

        await _follower(logs, CHUNK_BYTES).follow(without_a_pause())

    asyncio.run(body())


@pytest.mark.parametrize("cancels", [True, False])
def test_what_was_written_until_it_broke_off_is_kept(cancels: bool) -> None:  # noqa: FBT001 - a case
    async def body() -> None:
        logs = InMemoryLogStore()
        written = asyncio.Event()

        async def breaks_off() -> AsyncGenerator[LogFrame]:
            yield LogFrame(stream="stdout", data=b"last words")
            written.set()
            if not cancels:
                raise ConnectionError("the engine went away")
            await asyncio.Event().wait()

        following = asyncio.create_task(_follower(logs).follow(breaks_off()))
        await written.wait()
        if cancels:
            following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert await _stored(logs) == b"last words"

    asyncio.run(body())


def test_a_log_that_ended_at_its_limit_takes_no_more_when_the_limit_is_raised() -> None:
    async def body() -> int:
        logs = InMemoryLogStore()
        frames = [LogFrame(stream="stdout", data=bytes(1_000))]
        ended = await _follower(logs, 10).follow(_frames(frames), close=False)
        await _follower(logs, 500).follow(_frames(frames), close=False)
        return (await logs.end(TENANT, SUBJECT)).next_offset - ended.size

    assert asyncio.run(body()) == 0


def _said(text: str, stream: LogStreamName = "stdout") -> LogFrame:
    return LogFrame(stream=stream, data=text.encode())


def _kept(*frames: LogFrame) -> StepLog:
    async def body() -> StepLog:
        return await _follower(InMemoryLogStore()).follow(_frames(frames))

    return asyncio.run(body())


def test_the_last_lines_and_the_first_errors_are_kept() -> None:
    lines = [f"line {number}\n" for number in range(200)]
    lines[3] = "a.c:1: error: early\n"
    kept = _kept(*(_said(line) for line in lines))
    assert kept.tail == tuple(line.strip() for line in lines[-50:])
    assert kept.errors == ("a.c:1: error: early",)


def test_lines_of_the_two_streams_are_not_mixed() -> None:
    kept = _kept(_said("one "), _said("two\n", "stderr"), _said("three\n"))
    assert kept.tail == ("two", "one three")


def test_a_last_line_without_an_end_is_a_line() -> None:
    assert _kept(_said("a\nb")).tail == ("a", "b")


class AwayForAWhile(InMemoryLogStore):
    """Away twice, the second time only after it has stored what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0

    async def append(self, tenant: str, subject: str, chunks: Sequence[LogChunk]) -> None:
        self.tries += 1
        if self.tries > 1:
            await super().append(tenant, subject, chunks)
        if self.tries <= 2:
            raise StoreUnavailable("away")


def test_a_store_that_is_away_for_a_moment_ends_no_log() -> None:
    async def body() -> None:
        logs = AwayForAWhile()
        frames = [LogFrame(stream="stdout", data=b"said once\n")]
        kept = await _follower(logs).follow(_frames(frames))
        assert [chunk.data for chunk in await logs.read(TENANT, SUBJECT)] == [b"said once\n"]
        assert (kept.chunks, logs.tries) == (1, 3)

    asyncio.run(body())
