"""What every worker does, whatever its work is."""

import asyncio

import pytest

from api.workers.loops import Worker


class BrokenForGood(BaseException):
    """Nothing that a worker begins again after."""


class Ending(Worker):
    async def run(self) -> None:
        raise BrokenForGood


class Failing(Worker):
    def __init__(self) -> None:
        super().__init__("failing")
        self.runs = 0
        self.ran_again = asyncio.Event()

    async def run(self) -> None:
        self.runs += 1
        if self.runs > 1:
            self.ran_again.set()
        raise OSError(28, "No space left on device")


def test_a_worker_that_fails_begins_again() -> None:
    async def story() -> None:
        worker = Failing()
        await worker.start()
        async with asyncio.timeout(10):
            await worker.ran_again.wait()
        await worker.stop()

    asyncio.run(story())


def test_a_worker_that_ends_says_so_to_whoever_keeps_it() -> None:
    async def story() -> None:
        worker = Ending("ending")
        await worker.start()
        async with asyncio.timeout(10):
            with pytest.raises(BrokenForGood):
                await worker.ended()

    asyncio.run(story())
