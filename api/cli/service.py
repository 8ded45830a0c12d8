"""The parts of the service and their order: servers, migrations, roles, first key, readiness."""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from http.client import HTTPException
from typing import Any

from adapters.embedded import EmbeddedPostgres, EmbeddedRedis
from adapters.embedded.supervisor import EmbeddedServer
from api.address_rules import WITHOUT_REDIS
from api.cli.addresses import place, with_login
from api.cli.admin_key import advice, is_turned_away
from api.cli.data_directory import DataDirectory, ensure_secret, read_text, write_private
from api.cli.readiness import wait_until_ready
from api.cli.steps import say, step
from api.cli.supervise import Role, RoleKeeper, finish, keep_serving
from api.settings import MetricsSettings, Settings

ANSWERING = ("serve", "project")
WORKING = "work"
SERVICE_USER = "eulermaker_service"
DATABASE_URL = "DATABASE_URL"
SERVICE_URL = "EULERMAKER_DATABASE_SERVICE_URL"
REDIS_URL = "REDIS_URL"


class Service:
    """environment: what roles inherit. Servers that the settings name are not embedded."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        server = settings.server
        self._settings = settings
        self._directory = DataDirectory(settings.directory)
        self._address = f"http://{server.host}:{server.port}"
        self._environment = {
            **environment,
            "EULERMAKER_DATA_DIR": str(settings.directory),
            "EULERMAKER_SERVER_HOST": server.host,
            "EULERMAKER_SERVER_PORT": str(server.port),
            **_metrics_ports(settings),
        }
        self._owner_url = settings.database.url
        self._embedded: list[tuple[EmbeddedServer, str, Callable[[str], None]]] = []
        self._keepers: list[RoleKeeper] = []
        self.was_ready = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Ready inside; stopped in good order after, roles before servers."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._prepare_database())
                group.create_task(self._prepare_redis())
            async with _background() as start:
                for server, url, moved in self._embedded:
                    start(keep_serving(server, url, moved))
                await self._start_roles(start)
                self.was_ready = True
                yield
        finally:
            await finish(self._stop_servers())

    async def _prepare_database(self) -> None:
        with step("PostgreSQL") as running:
            if self._owner_url:
                running.says = f"{place(self._owner_url)}, not embedded,"
            else:
                server = EmbeddedPostgres(self._directory.path)
                self._owner_url = await self._start(server, self._database_moved)
                running.says = f"embedded, answers on {place(self._owner_url)}"
        with step("Migrations"):
            await self._migrate()

    async def _migrate(self) -> None:
        from adapters.postgres.migrate import migrate

        known = self._settings.database.service_url
        password = None if known else ensure_secret(self._directory.service_password)
        await finish(asyncio.to_thread(migrate, self._owner_url, service_password=password))
        self._use_database(self._owner_url)

    async def _prepare_redis(self) -> None:
        with step("Redis") as running:
            url = self._settings.redis.url
            if url == WITHOUT_REDIS:
                running.says = "none: limits and live logs are per process,"
            elif url:
                running.says = f"{place(url)}, not embedded,"
            else:
                url = await self._start(EmbeddedRedis(self._directory.path), self._redis_moved)
                running.says = f"embedded, answers on {place(url)}"
            self._environment[REDIS_URL] = url

    async def _start(self, server: EmbeddedServer, moved: Callable[[str], None]) -> str:
        try:
            url = await finish(asyncio.to_thread(server.start))
        except BaseException:  # also when cancelled: it may have been started all the same
            await finish(asyncio.to_thread(server.stop))
            raise
        self._embedded.append((server, url, moved))
        return url

    async def _start_roles(self, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        with step("Service") as running:
            for name in ANSWERING:
                start(self._keep(name))
            new_key = await self._ensure_admin_key()
            write_private(self._directory.base_image, self._settings.builds.base_image)
            write_private(self._directory.server, self._address)
            await wait_until_ready(self._address, self._directory)
            running.says = f"ready on {self._address}"
        # Last: commands wait for it, and the others are ready sooner without its company.
        start(self._keep(WORKING))
        if new_key is None:
            await self._check_admin_key()
        else:
            say(f"\nYour admin key, shown this once: {new_key}")
            say(f"It is kept in {self._directory.admin_key}, which only its owner can read;")
            say("`eulermaker` on this machine finds it there.\n")

    def _keep(self, name: str) -> Coroutine[Any, Any, None]:
        keeper = RoleKeeper(self._role(name))
        self._keepers.append(keeper)
        return keeper.keep_running()

    def _role(self, name: str) -> Role:
        return Role(
            name=name,
            command=[sys.executable, "-m", "api.cli.main", name, "--supervised"],
            environment=self._environment,
            log=self._directory.log_of(name),
        )

    async def _ensure_admin_key(self) -> str | None:
        """The new key, or None where there is one already."""
        if read_text(self._directory.admin_key) is not None:
            return None
        from api.cli.first_key import create_admin_key

        key = await create_admin_key(Settings.load(self._environment))
        write_private(self._directory.admin_key, key)
        return key

    async def _check_admin_key(self) -> None:
        file = self._directory.admin_key
        key = read_text(file) or ""
        with suppress(OSError, HTTPException):
            if await asyncio.to_thread(is_turned_away, self._address, key):
                say(f"\nThe service does not accept the admin key in {file}.\n{advice(file)}\n")

    def _use_database(self, owner_url: str) -> None:
        """Roles know only the service's login, which cannot change the past."""
        url = self._settings.database.service_url
        if not url:
            password = ensure_secret(self._directory.service_password)
            url = with_login(owner_url, SERVICE_USER, password)
        self._environment |= {DATABASE_URL: url, SERVICE_URL: url}

    def _database_moved(self, owner_url: str) -> None:
        self._use_database(owner_url)
        self._restart_roles(owner_url)

    def _redis_moved(self, url: str) -> None:
        self._environment[REDIS_URL] = url
        self._restart_roles(url)

    def _restart_roles(self, url: str) -> None:
        say(f"Its port was taken: it answers on {place(url)} now, and the roles start again")
        for keeper in self._keepers:
            keeper.restart()

    async def _stop_servers(self) -> None:
        stopping = [asyncio.to_thread(server.stop) for server, _, _ in self._embedded]
        for outcome in await asyncio.gather(*stopping, return_exceptions=True):
            if isinstance(outcome, Exception):
                say(str(outcome))
        if self.was_ready:
            say("Stopped. Nothing is lost: the same command goes on from here.")


def _metrics_ports(settings: Settings) -> dict[str, str]:
    """The one address of the API shows what all roles measure, unless configured otherwise."""
    if settings.metrics != MetricsSettings():
        return {}
    host, project, work = settings.server.host, _free_port(), _free_port()
    return {
        "EULERMAKER_METRICS_PROJECT_PORT": str(project),
        "EULERMAKER_METRICS_WORK_PORT": str(work),
        "EULERMAKER_METRICS_ALSO": f"{host}:{project},{host}:{work}",
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def _background() -> AsyncGenerator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Tasks that last as long as the block, and end in good order after it."""
    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []
        try:
            yield lambda work: tasks.append(group.create_task(work))
        finally:
            for task in tasks:
                task.cancel()
