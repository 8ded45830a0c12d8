"""What every worker shares: it runs until it is stopped, and begins again after a failure."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, cast

import structlog

from domain.errors import DomainError
from domain.event import RecordedEvent

FIRST_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 5.0

log = structlog.get_logger(__name__)


class LogReader(Protocol):
    """New events as they come; see adapters.postgres.tail."""

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]: ...

    async def wait(self, after: int, *, timeout_seconds: float) -> int:
        """The head's position, as soon as it is above `after` or at the timeout."""
        ...


class Wakeable(Protocol):
    """Held while we are the one worker of our kind; tells when there may be something to do."""

    @property
    def lost(self) -> bool:
        """Somebody else may be the one by now."""
        ...

    async def wait(self, timeout_seconds: float) -> None:
        """Raises StoreUnavailable once the lock is lost."""
        ...


WorkerLock = Callable[[], AbstractAsyncContextManager[Wakeable]]
"""Enter waits until we are the only one."""


class Worker(ABC):
    """start and stop may be called twice, and in any order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._forever(), name=self.name)

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def ended(self) -> None:
        """Until it is stopped. Raises whatever else may have ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled. An error ends this run; another begins after a pause."""

    async def _forever(self) -> None:
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self.run()
            except Exception as error:  # noqa: BLE001 - the outermost loop: logged, tried again
                self._log(error)
            lasted = asyncio.get_running_loop().time() - began
            failures = 0 if lasted > MAX_BACKOFF_SECONDS else failures + 1
            await asyncio.sleep(backoff(failures))

    def _log(self, error: Exception) -> None:
        """What the world does to us is a warning; what we do wrong comes with its traceback."""
        unexpected = _leaves(error, lambda leaf: not isinstance(leaf, DomainError | OSError))
        reason = "; ".join(str(leaf) or type(leaf).__name__ for leaf in _leaves(error))
        if unexpected:
            log.error("worker failed", worker=self.name, reason=reason, exc_info=error)
        else:
            log.warning("worker paused", worker=self.name, reason=reason)


def _leaves(
    error: BaseException, wanted: Callable[[BaseException], bool] = lambda _: True
) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return [leaf for each in inner for leaf in _leaves(each, wanted)]
    return [error] if wanted(error) else []


def backoff(
    failures: int, *, first: float = FIRST_BACKOFF_SECONDS, most: float = MAX_BACKOFF_SECONDS
) -> float:
    """Seconds to wait after so many failures in a row: doubling, bounded, with full jitter."""
    ceiling = min(most, first * 2 ** min(failures, 16))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing
