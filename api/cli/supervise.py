"""Keeps roles and embedded servers running: what dies is started again, with growing pauses.

Every task here is owned by the caller's task group; cancelling it ends the process in good order.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from adapters.embedded.supervisor import EmbeddedServer
from api.cli.role_log import keep_small, last_lines, open_log
from api.cli.steps import say

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 30.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.5
LOG_LOOK_SECONDS = 60.0
LAST_WORDS = 5

T = TypeVar("T")


class Pauses:
    """Short after a steady run, doubling while it keeps dying young."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_SECONDS

    def after(self, ran_seconds: float) -> float:
        if ran_seconds >= STEADY_SECONDS:
            self._next = FIRST_PAUSE_SECONDS
        pause = self._next
        self._next = min(self._next * 2, LONGEST_PAUSE_SECONDS)
        return pause


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A program to keep running. environment is read at each start, so it may change between.

    Its standard input is a pipe that nobody writes to: when that closes, its supervisor is gone,
    however that happened.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class RoleKeeper:
    """Keeps one role running until its task is cancelled."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._process: asyncio.subprocess.Process | None = None

    async def keep_running(self) -> None:
        role, pauses = self._role, Pauses()
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            code = await self._run()
            pause = pauses.after(loop.time() - began)
            ended = _how_it_ended(code)
            say(f"The role {role.name} {ended}; starting it again in {pause:.1f} s. {role.log}:")
            for line in last_lines(role.log, LAST_WORDS):
                say(f"    {line}")
            await asyncio.sleep(pause)

    def restart(self) -> None:
        """End it in good order; it comes back with the environment of that moment."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    async def _run(self) -> int:
        reading, writing = os.pipe()
        try:
            self._process = process = await self._start(reading)
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        try:
            return await self._wait(process)
        except asyncio.CancelledError:
            await _end(process)
            raise
        finally:
            os.close(writing)

    async def _wait(self, process: asyncio.subprocess.Process) -> int:
        while True:
            try:
                async with asyncio.timeout(LOG_LOOK_SECONDS):
                    return await process.wait()
            except TimeoutError:
                await self._keep_log_small()

    async def _keep_log_small(self) -> None:
        try:
            await finish(asyncio.to_thread(keep_small, self._role.log))
        except OSError as error:
            say(f"{self._role.log} cannot be kept small: {error}")

    async def _start(self, stdin: int) -> asyncio.subprocess.Process:
        with open_log(self._role.log) as log:
            return await asyncio.create_subprocess_exec(
                *self._role.command,
                stdin=stdin,
                stdout=log,
                stderr=log,
                env=dict(self._role.environment),
            )


async def keep_serving(server: EmbeddedServer, url: str, moved: Callable[[str], None]) -> None:
    """moved: called with the new URL when the old port was taken meanwhile."""
    pauses = Pauses()
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await asyncio.to_thread(server.is_running):
            continue
        pause = pauses.after(loop.time() - began)
        began = loop.time()
        say(f"The embedded {server.NAME} ended; starting it again")
        try:
            new_url = await finish(asyncio.to_thread(server.start))
        except Exception as error:  # noqa: BLE001 - the outermost loop: said, and tried again
            say(f"{error} Next try in {pause:.1f} s.")
            await asyncio.sleep(pause)
            continue
        say(f"The embedded {server.NAME} is back after {loop.time() - began:.1f} s")
        if new_url != url:
            url = new_url
            moved(url)


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Cancelling waits for its end: a thread cannot be stopped, and must not be left behind."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # seen: whoever cancelled has a reason of its own
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _how_it_ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
