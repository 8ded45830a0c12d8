"""Waiting for the service: until it is ready, or until only a person can bring what it lacks."""

import asyncio
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from api.cli import readiness
from api.cli.data_directory import DataDirectory
from api.readiness import ENGINE_PART
from tests.support.ports import free_port


@contextmanager
def a_service_that_waits_for(parts: dict[str, str]) -> Generator[str]:
    class Waits(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if parts else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": 503, "waits_for": parts}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - not ours to name
            """Tests say nothing."""

    with HTTPServer(("127.0.0.1", 0), Waits) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _wait(parts: dict[str, str], directory: Path) -> None:
    with a_service_that_waits_for(parts) as address:
        asyncio.run(readiness.wait_until_ready(address, DataDirectory(directory)))


def test_a_foreign_engine_is_told_and_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _wait({ENGINE_PART: "another engine answers"}, tmp_path)
    assert "another engine answers" in "".join(capsys.readouterr())


def test_whatever_else_is_missing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "READY_SECONDS", 0.1)
    with pytest.raises(readiness.NotReady, match="no server answers"):
        _wait({ENGINE_PART: "another", "the event log": "no server answers"}, tmp_path)


def test_a_service_that_is_starting_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(readiness, "READY_SECONDS", 0.1)
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(readiness.NotReady, match=f"not ready after 0 s: {address} does not answer"):
        asyncio.run(readiness.wait_until_ready(address, DataDirectory(tmp_path)))
    said = "".join(capsys.readouterr())
    assert f"The service is starting; waiting for it: {address} does not answer yet" in said


def test_what_a_starting_service_waits_for_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(readiness, "READY_SECONDS", 0.1)
    with pytest.raises(readiness.NotReady):
        _wait({"the event log": "no server answers"}, tmp_path)
    said = "".join(capsys.readouterr())
    assert "waiting for it: it lacks the event log (no server answers)" in said
