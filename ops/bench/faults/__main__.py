"""Faults on purpose, and whether the service bears them.

    python -m ops.bench.faults kills --count 500
    python -m ops.bench.faults restarts --count 10

The exit status is 0 only if nothing was found wrong. Needs root, a Docker Engine to copy the base
image from, and nothing else; what it starts it ends.
"""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from ops.bench.faults.judge import Verdict
from ops.bench.faults.kills import run_kills
from ops.bench.faults.restarts import run_restarts

T = TypeVar("T")


@click.group()
def main() -> None:
    """Kill parts of the service under load, then judge what is left."""


@main.command()
@click.option("--count", default=500, show_default=True)
@click.option("--containers", default=5, show_default=True, help="Lives at a time.")
@click.option("--builds", default=2, show_default=True, help="At a time.")
@click.option("--seed", default=1, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Copy the data directory there.")
def kills(*, count: int, containers: int, builds: int, seed: int, keep: Path | None) -> None:
    """Kill processes at named points and at random ones."""
    report = _run(run_kills(count, containers=containers, builds=builds, seed=seed, keep=keep))
    for place, number in sorted(report.kills.items()):
        click.echo(f"{number:6}  killed: {place}")
    click.echo(f"{report.kills.total():6}  kills in {report.seconds:.0f} s")
    click.echo(f"{report.statuses_lost:6}  more ends whose status the fork server lost")
    report.verdict.wrong += report.by_themselves
    sys.exit(show(report.verdict))


@main.command()
@click.option("--count", default=10, show_default=True, help="Of each of the four.")
@click.option("--containers", default=4, show_default=True, help="Lives at a time.")
@click.option("--builds", default=1, show_default=True, help="At a time.")
@click.option("--seed", default=1, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Copy the data directory there.")
def restarts(*, count: int, containers: int, builds: int, seed: int, keep: Path | None) -> None:
    """Kill PostgreSQL, Redis and the engine, and restart the engine in good order."""
    report = _run(run_restarts(count, containers=containers, builds=builds, seed=seed, keep=keep))
    for part, seconds in report.longest().items():
        click.echo(f"{seconds:6.1f}  s, the longest of {count} outages: {part}")
    sys.exit(show(report.verdict))


def _run(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM ends it as Ctrl-C does: with everything that it started."""

    async def until_stopped() -> T:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    return asyncio.run(until_stopped())


def show(verdict: Verdict) -> int:
    for name, number in verdict.counts.items():
        click.echo(f"{number:6}  {name}")
    for each in verdict.wrong:
        click.secho(f"WRONG   {each}", fg="red")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    main()
