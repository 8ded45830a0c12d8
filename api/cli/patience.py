"""What a follower does when its connection breaks: says so, tries again for a while, gives up."""

import asyncio

import click

from api.cli import output
from api.cli.problems import NotNow, ServiceUnreachable

SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 3.0

Broken = NotNow | ServiceUnreachable


class Patience:
    """For one thing that is followed, over as many connections as it takes."""

    def __init__(self) -> None:
        self._seconds = SECONDS
        self._since: float | None = None
        self._pause = FIRST_PAUSE_SECONDS

    def heard(self) -> None:
        """The service speaks: whatever was wrong is over."""
        if self._since is not None:
            click.echo("Connected again.", err=True)
        self._since = None
        self._pause = FIRST_PAUSE_SECONDS

    async def wait(self, broken: Broken) -> None:
        """Return when it is time to try again. Raises what broke once that is in vain."""
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = now
            self._say(broken)
        if now - self._since + self._pause > self._seconds:
            raise broken
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _say(self, broken: Broken) -> None:
        reason = broken.reason if isinstance(broken, ServiceUnreachable) else broken.message
        click.echo(
            f"The connection broke ({output.terminal_safe(reason)});"
            f" trying again for up to {self._seconds:.0f} s.",
            err=True,
        )
