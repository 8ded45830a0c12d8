"""Secrets that clients and libraries let slip do not reach the log."""

import subprocess
import sys

import msgspec
import pytest

from tests.integration.http.poisoned import FORMATS, PASSWORD


def log_of_poisoned_requests(form: str) -> tuple[str, str]:
    """The log, and the secret that was in the requests: in a process whose logging is real."""
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "tests.integration.http.poisoned", form],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr, ended.stdout.strip()


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_of_a_request_or_an_error_is_logged(form: str) -> None:
    log, secret = log_of_poisoned_requests(form)
    assert len(secret) == 64
    assert secret not in log
    assert PASSWORD not in log
    assert "request failed" in log
    assert "postgresql://em:***@db/em" in log
    assert "em_key-viewer_***" in log


def test_every_line_is_json_with_its_correlation_id() -> None:
    log, _ = log_of_poisoned_requests("json")
    lines = [msgspec.json.decode(line) for line in log.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) == 5
    assert all(line["correlation_id"] and line["timestamp"] for line in requests)
