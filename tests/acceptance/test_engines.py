"""A service whose DOCKER_HOST suddenly leads to another engine: it waits for a person."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.docker import base_image, sdk
from tests.support.engine_proxy import EngineProxy, an_engine_proxy, until
from tests.support.service import Up, cli, running_up

NAME = "stays"
PATIENCE_SECONDS = 60.0


class Operator:
    """Types commands on the machine of the service."""

    def __init__(self, service: Up) -> None:
        self._environment = {**os.environ, "EULERMAKER_DATA_DIR": str(service.directory)}

    async def run(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *cli(*arguments),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    async def says(self, words: str, *arguments: str) -> bool:
        return words in (await self.run(*arguments))[1]

    async def status_of_container(self) -> str:
        _, said = await self.run("container", "list", "--all", "--json")
        return next((row["status"] for row in map(json.loads, said.splitlines())), "")


@asynccontextmanager
async def _up(directory: Path, proxy: EngineProxy) -> AsyncGenerator[Operator]:
    async with running_up(
        directory / "data",
        engine=f"unix://{proxy.path}",
        base_image=base_image(),
        output=directory / "said",
    ) as service:
        yield Operator(service)


async def _story(directory: Path) -> None:
    ours: str = sdk().info()["ID"]
    other = f"{ours[:-4]}{'AAAA' if ours[-4:] != 'AAAA' else 'BBBB'}"
    async with an_engine_proxy() as proxy:
        async with _up(directory, proxy) as at:
            run = ("container", "run", "--name", NAME, base_image(), "sleep", "3600")
            assert (await at.run(*run))[0] == 0
            await until(lambda: at.says("running", "container", "list"), PATIENCE_SECONDS)

        proxy.poses_as = (ours.encode(), other.encode())
        async with _up(directory, proxy) as at:
            await until(lambda: at.says(f"But {other}", "engine", "show"), PATIENCE_SECONDS)
            status, found = await at.run("doctor")
            assert status == 1
            assert f"eulermaker engine rebind {other}" in found
            assert await at.status_of_container() == "running"

        async with _up(directory, proxy) as at:
            await until(lambda: _has_said(directory, "another engine answers"), PATIENCE_SECONDS)
            assert (await at.run("engine", "rebind", ours))[0] == 65
            assert (await at.run("engine", "rebind", other))[0] == 0
            assert (await at.run("container", "remove", "--force", NAME))[0] == 0
            await until(lambda: _is(at, "removed"), PATIENCE_SECONDS)
            assert await at.says("bound to", "doctor")


async def _has_said(directory: Path, words: str) -> bool:
    return f"When last asked, {words}" in (directory / "said").read_text()


async def _is(at: Operator, status: str) -> bool:
    return await at.status_of_container() == status


@pytest.mark.timeout(300)
def test_a_service_on_another_engine_says_so_and_goes_on_once_it_is_rebound() -> None:
    # Not tmp_path: its parent is closed, so root's servers could not enter.
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        Path(directory).chmod(0o755)
        asyncio.run(_story(Path(directory)))
