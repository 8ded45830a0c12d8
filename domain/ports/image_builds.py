"""Image builds, which take longer than an effect may."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from domain.builds.spec import BuildSpec


class RunningBuild(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str
    build_id: str
    attempt: int
    correlation_id: str


class RunningBuilds(Protocol):
    """Remembers which image builds run, over the end of the process that runs them."""

    async def add(self, running: RunningBuild) -> None: ...

    async def remove(self, running: RunningBuild) -> None: ...

    async def all(self) -> Sequence[RunningBuild]: ...


class ImageBuilds(Protocol):
    """Runs image builds for as long as they take, each in a task of its own."""

    async def start(self, running: RunningBuild, spec: BuildSpec) -> datetime:
        """Returns when it began; a build that runs here already goes on."""
        ...

    async def cancel(self, build_id: str, attempt: int) -> None:
        """Returns once nothing of it runs here any more."""
        ...

    async def recover(self) -> None:
        """Report the builds that ended with the process that ran them."""
        ...

    async def stop(self) -> None: ...
