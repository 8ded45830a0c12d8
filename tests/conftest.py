"""What tests of several folders share."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import Database, PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as url:
        yield PostgresServer(url)


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A migrated, empty database of this test's own."""
    with postgres_server.fresh_database() as fresh:
        yield fresh
