"""A whole service of a test's own: embedded servers, and the real roles as processes.

Either by hand (`HandRun`: the test starts and kills each part) or by `eulermaker up`
(`running_up`), which keeps its parts running by itself.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from adapters.embedded import EmbeddedPostgres, EmbeddedRedis
from adapters.postgres.migrate import migrate
from api.cli.addresses import with_login
from api.cli.data_directory import DataDirectory, ensure_secret, read_text, write_private
from api.cli.first_key import create_admin_key
from api.cli.readiness import wait_until_ready
from api.cli.service import SERVICE_USER
from api.settings import Settings
from tests.support.ports import free_port
from tests.support.role_processes import RoleProcess

ROOT = Path(__file__).parents[2]
ROLES = ("serve", "project", "work")
END_SECONDS = 30.0
READY_SECONDS = 120.0


def plain_environment(**more: str) -> dict[str, str]:
    """Without what could point to somebody else's service."""
    ours = re.compile(r"EULERMAKER_|DATABASE_URL|REDIS_URL|DOCKER_HOST")
    kept = {name: text for name, text in os.environ.items() if not ours.match(name)}
    return {**kept, **more, "PYTHONPATH": str(ROOT)}


def cli(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "api.cli.main", *arguments]


class HandRun:
    """The parts of a service, each started and killed by its owner."""

    def __init__(self, directory: Path, *, engine: str, base_image: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.key = ""
        self.owner_url = ""
        self._postgres = EmbeddedPostgres(directory)
        self._redis = EmbeddedRedis(directory)
        self._files = DataDirectory(directory)
        self._environment = plain_environment(
            EULERMAKER_DATA_DIR=str(directory),
            EULERMAKER_SERVER_PORT=str(self.port),
            EULERMAKER_BASE_IMAGE=base_image,
            EULERMAKER_ACCESS_REQUESTS_PER_SECOND_AND_KEY="100000",
            EULERMAKER_ACCESS_REQUESTS_PER_SECOND_AND_ADDRESS="100000",
            DOCKER_HOST=engine,
        )
        self._roles: set[RoleProcess] = set()

    async def prepare(self) -> None:
        """Servers, migrations and the admin key; no role runs yet."""
        await self.start_servers()
        password = ensure_secret(self._files.service_password)
        await asyncio.to_thread(migrate, self.owner_url, service_password=password)
        service_url = with_login(self.owner_url, SERVICE_USER, password)
        self._environment |= {
            "DATABASE_URL": service_url, "EULERMAKER_DATABASE_SERVICE_URL": service_url,
        }  # fmt: skip
        self.key = await create_admin_key(Settings.load(self._environment))
        write_private(self._files.admin_key, self.key)
        write_private(self._files.server, self.address)

    async def start_servers(self) -> None:
        self.owner_url = await asyncio.to_thread(self._postgres.start)
        self._environment["REDIS_URL"] = await asyncio.to_thread(self._redis.start)

    async def start_role(self, name: str, *, crash_at: str = "") -> RoleProcess:
        environment = {**self._environment, "EULERMAKER_TESTING_CRASH_AT": crash_at}
        log = self._files.log_of(name)
        log.parent.mkdir(exist_ok=True)
        process = RoleProcess(name, environment, log)
        await process.start()
        self._roles.add(process)
        return process

    async def wait_until_ready(self) -> None:
        await wait_until_ready(self.address, self._files)

    def kill_servers(self) -> None:
        """As a power cut would."""
        for pid in (postmaster(self.directory), redis_server(self.directory)):
            os.kill(pid, signal.SIGKILL)

    async def stop_roles(self) -> None:
        for process in self._roles:
            await end(process)
        self._roles.clear()

    async def stop(self) -> None:
        await self.stop_roles()
        await asyncio.to_thread(self._postgres.stop)
        await asyncio.to_thread(self._redis.stop)


class Up:
    """A running `eulermaker up`."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.address = f"http://127.0.0.1:{port}"

    @property
    def key(self) -> str:
        return read_text(self.directory / "admin.key") or ""

    async def owner_url(self) -> str:
        return await asyncio.to_thread(EmbeddedPostgres(self.directory).start)  # attaches


@asynccontextmanager
async def running_up(
    directory: Path, *, engine: str, base_image: str, output: Path
) -> AsyncGenerator[Up]:
    """Ready inside; stopped in good order after. output: where it writes what it says."""
    service = Up(directory, free_port())
    environment = plain_environment(
        EULERMAKER_BASE_IMAGE=base_image,
        EULERMAKER_ACCESS_REQUESTS_PER_SECOND_AND_KEY="100000",
        EULERMAKER_ACCESS_REQUESTS_PER_SECOND_AND_ADDRESS="100000",
        DOCKER_HOST=engine,
    )
    process = await _start_up(service, environment, output)
    try:
        await _until_served(process, service, output)
        yield service
    finally:
        await end(process)


async def _start_up(
    service: Up, environment: Mapping[str, str], output: Path
) -> asyncio.subprocess.Process:
    port = service.address.rpartition(":")[2]
    command = cli("up", "--data-dir", str(service.directory), "--port", port)
    with output.open("ab") as file:
        return await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )


async def _until_served(process: asyncio.subprocess.Process, service: Up, output: Path) -> None:
    files = DataDirectory(service.directory)
    ended = asyncio.ensure_future(process.wait())
    ready = asyncio.ensure_future(_ready(service.address, files))
    await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        words = await asyncio.to_thread(output.read_text)
        raise RuntimeError(f"`up` ended with {ended.result()}: {words[-2_000:]}")
    ended.cancel()
    ready.result()


async def _ready(address: str, files: DataDirectory) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while not (files.admin_key.exists() and files.server.exists()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await wait_until_ready(address, files)


async def end(process: asyncio.subprocess.Process | RoleProcess) -> None:
    """In good order where that is quick enough."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def postmaster(directory: Path) -> int:
    """The pid of a data directory's PostgreSQL."""
    file = directory / "postgres" / "data" / "postmaster.pid"
    return int(file.read_text().splitlines()[0])


def redis_server(directory: Path) -> int:
    return int((directory / "redis" / "run" / "valkey.pid").read_text())
