"""The line of each request in the log."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest

from api.logging import RequestLine, RequestLog

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
SECRET = "0123456789abcdef" * 4


def a_line(path: str) -> RequestLine:
    return RequestLine(
        timestamp=AT,
        correlation_id="c-1",
        method="GET",
        path=path,
        route="/v1/keys",
        status=200,
        milliseconds=1.5,
        address="127.0.0.1",
    )


def written(capture: pytest.CaptureFixture[bytes], *paths: str, is_wanted: bool = True) -> bytes:
    log = RequestLog()
    log.configure(is_wanted=is_wanted, as_json=True)

    async def write() -> None:
        for path in paths:
            log.write(a_line(path))

    asyncio.run(write())
    return capture.readouterr().err


def test_it_is_one_line_of_json(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    line = written(capsysbinary, "/v1/keys")
    assert line.endswith(b"\n")
    assert msgspec.json.decode(line) == {
        **msgspec.structs.asdict(a_line("/v1/keys")),
        "timestamp": "2026-11-02T09:30:00Z",
    }


def test_each_request_has_a_line_of_its_own(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    lines = written(capsysbinary, "/v1/keys", "/v1/builds").splitlines()
    assert [msgspec.json.decode(line)["path"] for line in lines] == ["/v1/keys", "/v1/builds"]


def test_a_secret_in_the_path_is_hidden(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert SECRET.encode() not in written(capsysbinary, f"/v1/keys/em_k_{SECRET}")


def test_a_path_that_is_no_unicode_is_logged_too(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert b"c-1" in written(capsysbinary, "/v1/\udcff")


def test_nothing_is_written_below_the_level(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert written(capsysbinary, "/v1/keys", is_wanted=False) == b""
