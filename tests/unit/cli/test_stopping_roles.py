"""A role that is told to stop, however often and by whom, ends in good order."""

import asyncio
import os
import signal
import sys
from collections.abc import Generator
from typing import IO

import pytest

from api.cli.roles import until_stopped

DEADLINE_SECONDS = 10.0


class Role:
    """Runs until it is cancelled; its cleanup lasts until all signals before SIGUSR1 were seen."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.stopping = asyncio.Event()
        self.ended_in_good_order = False

    async def run(self) -> None:
        seen = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, seen.set)
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopping.set()
            await seen.wait()
            self.ended_in_good_order = True


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Generator[IO[bytes]]:
    """Closed: it is gone, and our standard input is at its end."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb") as held:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield held


def test_a_role_that_is_told_twice_ends_in_good_order() -> None:
    async def story() -> None:
        role = Role()
        async with asyncio.timeout(DEADLINE_SECONDS):
            stopped = asyncio.create_task(until_stopped(role.run(), supervised=False))
            await role.running.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await role.stopping.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGUSR1)
            await stopped
        assert role.ended_in_good_order

    asyncio.run(story())


def test_a_role_whose_supervisor_is_gone_ends_in_good_order(supervisor: IO[bytes]) -> None:
    async def story() -> None:
        role = Role()
        async with asyncio.timeout(DEADLINE_SECONDS):
            stopped = asyncio.create_task(until_stopped(role.run(), supervised=True))
            await role.running.wait()
            supervisor.close()
            await role.stopping.wait()
            os.kill(os.getpid(), signal.SIGUSR1)
            await stopped
        assert role.ended_in_good_order

    asyncio.run(story())
