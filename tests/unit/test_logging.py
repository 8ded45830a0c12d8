"""The service's own log, where it cannot be written."""

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
"""Where every write fails as on a full disk."""
TALKATIVE = """
import asyncio, logging, sys
from datetime import UTC, datetime
import structlog
from api.logging import REQUESTS, RequestLine, configure_logging
from api.settings import LoggingSettings

configure_logging(LoggingSettings(format=sys.argv[1]))

async def answer_requests():
    REQUESTS.write(RequestLine(
        timestamp=datetime.now(UTC), correlation_id="c", method="GET", path="/" + 20_000 * "x",
        route="/", status=200, milliseconds=1.0, address="127.0.0.1"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return "answered"

for _ in range(3):
    structlog.get_logger("test").warning("much", text=20_000 * "x")
    logging.getLogger("library").error(20_000 * "x")
print(asyncio.run(answer_requests()))
"""


@pytest.mark.skipif(not FULL.exists(), reason="Only Linux has /dev/full")
@pytest.mark.parametrize("how", ["json", "console"])
def test_a_full_disk_stops_nobody_who_logs(how: str) -> None:
    with FULL.open("wb") as full:
        ended = subprocess.run(  # noqa: S603 - our own program
            (sys.executable, "-c", TALKATIVE, how),
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=60,
            check=False,
        )
    assert ended.stdout == b"answered\n"
