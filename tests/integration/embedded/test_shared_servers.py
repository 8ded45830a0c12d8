"""Commands that need the database while the service does not run: they share one server."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from adapters.embedded import EmbeddedPostgres, use_servers
from api.cli.local_database import load_settings, owner_database
from tests.integration.embedded.support import ROOT

COMMAND = """
import sys
from pathlib import Path
from api.cli.local_database import load_settings, owner_database
with owner_database(load_settings(Path(sys.argv[1])), create=True) as url:
    print(url, flush=True)
    sys.stdin.read()
"""
END_SECONDS = 60


@contextmanager
def _a_command(data_dir: Path) -> Generator[subprocess.Popen[str]]:
    """A process that needs the server until its input ends."""
    with subprocess.Popen(  # noqa: S603 - our own script
        (sys.executable, "-c", COMMAND, str(data_dir)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
        yield process


def _end(command: subprocess.Popen[str]) -> None:
    command.communicate(timeout=END_SECONDS)
    assert command.returncode == 0


def test_the_last_command_that_needs_a_server_stops_it(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    with _a_command(data_dir) as first:
        with owner_database(load_settings(data_dir)) as url:
            _end(first)
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        assert not postgres.is_running()


def test_a_server_that_the_service_needs_goes_on(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    with _a_command(data_dir) as command, use_servers(data_dir):  # as `up`, which attaches to it
        _end(command)
        assert postgres.is_running()


def test_a_server_that_ran_before_goes_on(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    postgres.start()
    with owner_database(load_settings(data_dir)):
        pass
    assert postgres.is_running()
