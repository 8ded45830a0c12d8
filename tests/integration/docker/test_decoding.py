"""What the engine sends, however it is cut, and what becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import groupby, pairwise
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.docker import wire
from adapters.docker.errors import Reply, refused
from adapters.docker.events import lines_of
from adapters.docker.images import split_tag
from adapters.docker.logs import Demultiplexer
from domain.errors import EngineConflict, EngineOutcomeUnknown, EngineRefused

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)))
LINES = st.binary(min_size=1, max_size=20).filter(lambda line: line.split() == [line])
CUTS = st.lists(st.integers(0, 400))


def pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    return [whole[a:b] for a, b in pairwise(places)]


@given(FRAMES, CUTS)
def test_a_log_is_the_same_however_it_is_cut(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    whole = b"".join(pack(">BxxxL", kind, len(data)) + data for kind, data in frames)
    demultiplexer = Demultiplexer()
    read = [frame for piece in pieces(whole, cuts) for frame in demultiplexer.feed(piece)]
    demultiplexer.end()
    assert runs([(frame.stream, frame.data) for frame in read]) == runs(
        [("stdout" if kind == 1 else "stderr", data) for kind, data in frames]
    )


def runs(frames: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    said = [frame for frame in frames if frame[1]]
    return [
        (stream, b"".join(data for _, data in group))
        for stream, group in groupby(said, key=lambda frame: frame[0])
    ]


def test_a_frame_that_breaks_off_is_an_error() -> None:
    demultiplexer = Demultiplexer()
    assert list(demultiplexer.feed(pack(">BxxxL", 1, 5) + b"abc")) == []
    with pytest.raises(EngineOutcomeUnknown):
        demultiplexer.end()


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda line: line.split() == [line])), CUTS
)
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    async def read() -> list[bytes]:
        return [line async for line in lines_of(as_stream(pieces(b"\n".join(lines), cuts)))]

    assert asyncio.run(read()) == lines


async def as_stream(cut: list[bytes]) -> AsyncIterator[bytes]:
    for piece in cut:
        yield piece


def test_a_time_that_never_was_is_none_and_nanoseconds_are_cut() -> None:
    assert wire.moment("0001-01-01T00:00:00Z") is None
    assert wire.moment("") is None
    expected = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    assert wire.moment("2024-05-06T07:08:09.123456789Z") == expected
    assert wire.moment("2024-05-06T15:08:09.1234567+08:00") == expected


def test_a_program_that_ended_before_its_start_was_noted_ended_at_its_start() -> None:
    body = (
        b'{"Id":"1","Name":"/a","Image":"i","Created":"2024-05-06T07:08:09Z","Config":{},"State":'
        b'{"Status":"exited","ExitCode":3,"StartedAt":"2024-05-06T07:08:10.5Z",'
        b'"FinishedAt":"2024-05-06T07:08:10.4Z"}}'
    )
    found = wire.container(body)
    assert found.finished_at == found.started_at


def test_an_event_tells_neither_command_lines_nor_strange_labels() -> None:
    line = (
        b'{"Action":"exec_create: mysql -psecret","Actor":{"Attributes":'
        b'{"name":"em-1","image":"x","io.eulermaker.effect":"e"}},"timeNano":1714979289123456789}'
    )
    event = wire.event(line)
    assert (event.container, event.action) == ("em-1", "exec_create")
    assert event.labels == {"io.eulermaker.effect": "e"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, EngineRefused),
        (403, EngineRefused),
        (404, EngineRefused),
        (409, EngineConflict),
        (500, EngineOutcomeUnknown),
        (503, EngineOutcomeUnknown),
    ],
)
def test_each_status_has_its_class(status: int, error: type[Exception]) -> None:
    found = refused(Reply(status, b'{"message":"why"}'))
    assert type(found) is error
    assert "why" in str(found)


@pytest.mark.parametrize(
    "message",
    [
        "unable to find user nosuch: no matching entries in passwd file",
        "unable to find group nosuch: no matching entries in group file",
        "Cannot mkdir: /etc/passwd is not a directory",
        (
            'runc create failed: unable to start container process: exec: \\"/nope\\": stat /nope: '
            "no such file or directory: unknown"
        ),
    ],
)
def test_a_failure_that_only_the_request_can_be_blamed_for_is_a_refusal(message: str) -> None:
    found = refused(Reply(500, f'{{"message":"{message}"}}'.encode()))
    assert type(found) is EngineRefused


def test_a_program_of_the_engine_that_is_not_there_is_not_the_requests_fault() -> None:
    message = rb'{"message":"exec: \"runc\": executable file not found in $PATH: unknown"}'
    assert type(refused(Reply(500, message))) is EngineOutcomeUnknown


def test_a_reference_is_split_at_its_tag_and_never_at_a_port() -> None:
    assert split_tag("a") == ("a", "latest")
    assert split_tag("a/b:1") == ("a/b", "1")
    assert split_tag("host:5000/a") == ("host:5000/a", "latest")
    assert split_tag("host:5000/a:1") == ("host:5000/a", "1")
    with pytest.raises(EngineRefused):
        split_tag("a@sha256:00")
