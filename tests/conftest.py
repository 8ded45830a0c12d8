"""What tests of several folders share."""

import signal
from collections.abc import Iterator

import pytest

from tests.support.postgres import Database, PostgresServer, running_postgres


def pytest_configure() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and all that this starts too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as url:
        yield PostgresServer(url)


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A migrated, empty database of this test's own."""
    with postgres_server.fresh_database() as fresh:
        yield fresh
