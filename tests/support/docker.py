"""A real engine for tests, and the promise that nothing of a test outlives it.

Whatever a test creates bears the label of its run. A run is a process and its start, so that what
a dead run left behind can be told from what a living one uses.
"""

import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import docker
import pytest
from docker.errors import APIError, DockerException

from adapters.docker import DockerEngine, EngineAddress

RUN_LABEL = "io.eulermaker.test"
Listed = dict[str, Any]
Filters = dict[str, str]
_numbers = count(1)


@asynccontextmanager
async def a_docker_engine(address: EngineAddress | None = None) -> AsyncGenerator[DockerEngine]:
    """Swept before the first use in a run, and after each."""
    sweep_dead_runs()
    try:
        async with await DockerEngine.open(address or EngineAddress()) as engine:
            yield engine
    finally:
        remove_all_of(run_id())


class Sdk(Protocol):
    """What tests use of the SDK, with the types that its stubs do not tell."""

    def containers(self, *, all: bool = ..., filters: Filters = ...) -> list[Listed]: ...  # noqa: A002
    def networks(self, *, names: list[str] = ..., filters: Filters = ...) -> list[Listed]: ...
    def images(
        self,
        name: str | None = ...,
        *,
        all: bool = ...,  # noqa: A002
        filters: Filters = ...,
    ) -> list[Listed]: ...
    def info(self) -> Listed: ...
    def inspect_container(self, container: str) -> Listed: ...
    def create_network(
        self, name: str, *, check_duplicate: bool, labels: dict[str, str]
    ) -> Listed: ...
    def kill(self, container: str, signal: str) -> None: ...
    def remove_container(self, container: str, *, force: bool, v: bool) -> None: ...
    def remove_network(self, net_id: str) -> None: ...
    def remove_image(self, image: str, *, force: bool) -> None: ...


@cache
def sdk() -> Sdk:
    """The other door to the same engine, for what the port cannot say."""
    try:
        return docker.APIClient("unix:///var/run/docker.sock", timeout=60)
    except DockerException as error:
        pytest.skip(f"No Docker Engine answers here: {error}")


@cache
def run_id() -> str:
    return f"{os.getpid()}.{_started(os.getpid())}"


def labels() -> dict[str, str]:
    return {RUN_LABEL: run_id()}


def new_name() -> str:
    return f"em-test-{run_id()}-{next(_numbers)}"


@cache
def base_image() -> str:
    """Any small image with a shell."""
    named = os.environ.get("EULERMAKER_TEST_BASE_IMAGE")
    if named:
        return named
    for repository in ("eulermaker/debian", "eulermaker/base"):
        tags: list[str] = [tag for each in sdk().images(repository) for tag in each["RepoTags"]]
        if tags:
            return tags[0]
    pytest.skip("There is no image to test with. Make one: ops/up")


@cache
def sweep_dead_runs() -> None:
    for run in {value for value in _runs_seen() if not _is_alive(value)}:
        remove_all_of(run)


def remove_all_of(run: str) -> None:
    """Containers first: they hold the images and networks."""
    engine = sdk()
    mine = {"label": f"{RUN_LABEL}={run}"}
    for container in engine.containers(all=True, filters=mine):
        with suppress(APIError):
            engine.remove_container(container["Id"], force=True, v=True)
    for network in engine.networks(filters=mine):
        with suppress(APIError):
            engine.remove_network(network["Id"])
    for image in engine.images(filters=mine, all=True):
        with suppress(APIError):
            engine.remove_image(image["Id"], force=True)


def step_states(mark: str) -> list[str]:
    """Of the containers whose command bears the mark; image builds label none of theirs."""
    return [each["State"] for each in sdk().containers(all=True) if mark in each["Command"]]


def _runs_seen() -> Iterable[str]:
    engine = sdk()
    some = {"label": RUN_LABEL}
    for each in (
        *engine.containers(all=True, filters=some),
        *engine.networks(filters=some),
        *engine.images(filters=some, all=True),
    ):
        yield each["Labels"][RUN_LABEL]


def _is_alive(run: str) -> bool:
    process, _, started = run.partition(".")
    return process.isdigit() and _started(int(process)) == started


def _started(process: int) -> str:
    """Ticks since boot, or nothing when there is no such process."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[19]
