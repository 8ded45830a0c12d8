"""Real roles of the service in processes of their own, on embedded servers, for one measurement."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import msgspec

from adapters.embedded import EmbeddedPostgres, EmbeddedRedis
from adapters.postgres.migrate import migrate
from adapters.postgres.roles import SERVICE
from api.cli.addresses import with_login
from api.cli.first_key import create_admin_key
from api.cli.service_address import ServiceAddress
from api.settings import Settings

ALL_ROLES = ("serve", "project", "work")
PASSWORD = "bench"  # noqa: S105 - of a database that lives as long as the bench
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
HTTP_OK = 200
UNLIMITED = "1000000"


class RunningService(msgspec.Struct, frozen=True, kw_only=True):
    """database_url: of the service's role. processes: ids by role."""

    port: int
    key: str
    owner_url: str
    database_url: str
    processes: dict[str, int]

    @property
    def address(self) -> ServiceAddress:
        return ServiceAddress(url=f"http://127.0.0.1:{self.port}", key=self.key)


@contextmanager
def running_service(*roles: str) -> Generator[RunningService]:
    """As `eulermaker up` starts them, but for rate limits that no bench can reach."""
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        postgres, redis = EmbeddedPostgres(Path(directory)), EmbeddedRedis(Path(directory))
        try:
            owner_url = postgres.start()
            migrate(owner_url, service_password=PASSWORD)
            url = with_login(owner_url, SERVICE, PASSWORD)
            port = free_port()
            environment = _environment(directory, url, redis.start(), port)
            key = asyncio.run(create_admin_key(Settings.load(environment)))
            with _running(roles, environment, Path(directory)) as processes:
                _wait_until_ready(port, "/readyz" if "project" in roles else "/healthz")
                yield RunningService(
                    port=port,
                    key=key,
                    owner_url=owner_url,
                    database_url=url,
                    processes=processes,
                )
        finally:
            redis.stop()
            postgres.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(directory: str, url: str, redis_url: str, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "EULERMAKER_STORAGE_MAX_LOG_BYTES": str(1024**3),  # more than any measurement writes
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "EULERMAKER_DATABASE_SERVICE_URL": url,
        "EULERMAKER_DATA_DIR": directory,
        "EULERMAKER_SERVER_PORT": str(port),
        "EULERMAKER_ACCESS_REQUESTS_PER_SECOND_AND_KEY": UNLIMITED,
        "EULERMAKER_ACCESS_REQUESTS_PER_SECOND_AND_ADDRESS": UNLIMITED,
    }


@contextmanager
def _running(
    roles: Sequence[str], environment: dict[str, str], directory: Path
) -> Generator[dict[str, int]]:
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for role in roles:
            with (directory / f"{role}.log").open("wb") as log:
                started[role] = subprocess.Popen(  # noqa: S603 - our own program
                    (sys.executable, "-m", "api.cli.main", role),
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
        yield {role: process.pid for role, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_ready(port: int, path: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(port, path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The service does not answer {path} after {READY_SECONDS} s")
        time.sleep(0.05)


def _is_ready(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTP_OK
    except OSError:
        return False
    finally:
        connection.close()
