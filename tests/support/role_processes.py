"""Roles of the service as processes that start at once.

They are forked from a server that has the program loaded already: many starts cost little, and
each is a process of its own all the same.
"""

import asyncio
import os
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path

import click

from api.cli.roles import project, serve, work

LOADED = ["api.roles", "api.cli.roles", "uvloop"]

_context = get_context("forkserver")
_context.set_forkserver_preload(LOADED)


class RoleProcess:
    def __init__(self, name: str, environment: Mapping[str, str], log: Path) -> None:
        arguments = (name, dict(environment), str(log))
        self._process = _context.Process(target=_run, args=arguments, name=name)

    async def start(self) -> None:
        await asyncio.to_thread(self._process.start)

    @property
    def returncode(self) -> int | None:
        """Negative: the signal that killed it."""
        return self._process.exitcode

    async def wait(self) -> int:
        await asyncio.to_thread(self._process.join)
        return self._process.exitcode or 0

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _run(name: str, environment: dict[str, str], log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    commands: dict[str, click.Command] = {"serve": serve, "project": project, "work": work}
    commands[name].main([], standalone_mode=False)
