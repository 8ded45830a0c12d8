"""A role's log while the role writes it: bounded, and nothing of its end is lost."""

import asyncio
import sys
from pathlib import Path

import pytest

from api.cli import role_log, supervise
from api.cli.role_log import keep_small, open_log, previous
from api.cli.supervise import Role, RoleKeeper
from tests.support.waiting import until

DEADLINE_SECONDS = 20
CHATTER = """
import time
while True:
    print("x" * 999, flush=True)
    time.sleep(0.001)
"""


def test_a_log_that_grew_too_long_begins_anew_under_its_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_log, "KEPT_BYTES", 10)
    path = tmp_path / "logs" / "serve.log"
    with open_log(path) as log:
        for line in (b"the first\n", b"the second\n"):
            log.write(line)
            log.flush()
        keep_small(path)
        log.write(b"the third\n")
    assert previous(path).read_bytes() == b"he second\n"
    assert path.read_bytes() == b"the third\n"
    keep_small(path)
    assert path.read_bytes() == b"the third\n", "it has room"


def test_the_log_of_a_running_role_is_kept_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_log, "KEPT_BYTES", 20_000)
    monkeypatch.setattr(supervise, "LOG_LOOK_SECONDS", 0.05)
    path = tmp_path / "serve.log"
    role = Role(name="serve", command=[sys.executable, "-c", CHATTER], environment={}, log=path)

    async def story() -> None:
        keeping = asyncio.create_task(RoleKeeper(role).keep_running())
        async with asyncio.timeout(DEADLINE_SECONDS):
            await until(lambda: previous(path).exists() and path.stat().st_size < 20_000)
        keeping.cancel()
        await asyncio.wait([keeping])

    asyncio.run(story())
