"""A real PostgreSQL for the tests, and a migrated database of its own for each of them."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from adapters.embedded import EmbeddedPostgres
from adapters.postgres.migrate import migrate
from adapters.postgres.roles import REPORTING, SERVICE

IMAGE_VARIABLE = "EULERMAKER_TEST_POSTGRES_IMAGE"
PASSWORD = "of-the-tests"


class Database(msgspec.Struct, frozen=True):
    """owner_url: of a superuser. The others: of the roles that the migrations made."""

    owner_url: str

    @property
    def service_url(self) -> str:
        return make_conninfo(self.owner_url, user=SERVICE, password=PASSWORD)

    @property
    def reporting_url(self) -> str:
        return make_conninfo(self.owner_url, user=REPORTING, password=PASSWORD)

    def as_owner(self) -> psycopg.Connection:
        """What an attacker with the database's master key has."""
        return psycopg.connect(self.owner_url, autocommit=True)


class PostgresServer:
    """Databases are copies of one that was migrated once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._template: str | None = None

    @contextmanager
    def fresh_database(self) -> Generator[Database]:
        if self._template is None:
            self._template = self._create("template0")
            url = self._url_of(self._template)
            migrate(url, service_password=PASSWORD, reporting_password=PASSWORD)
        with self._copy_of(self._template) as url:
            yield Database(url)

    @contextmanager
    def empty_database(self) -> Generator[str]:
        with self._copy_of("template0") as url:
            yield url

    @contextmanager
    def _copy_of(self, template: str) -> Generator[str]:
        name = self._create(template)
        try:
            yield self._url_of(name)
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _create(self, template: str) -> str:
        name = f"test_{uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(SQL(statement).format(*map(Identifier, names)))

    def _url_of(self, database: str) -> str:
        parts = conninfo_to_dict(self._url)
        return (
            f"postgresql://{parts['user']}:{parts['password']}"
            f"@{parts['host']}:{parts['port']}/{database}"
        )


@contextmanager
def running_postgres() -> Generator[str]:
    """The URL of a superuser: PostgreSQL in the test image, where one is named, or embedded."""
    image = os.environ.get(IMAGE_VARIABLE)
    if image:
        with _containerised(image) as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        server = EmbeddedPostgres(Path(directory))
        try:
            yield server.start()
        finally:
            server.stop()


@contextmanager
def _containerised(image: str) -> Generator[str]:
    # Imported here: it needs Docker's client, which most runs do not.
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    with PostgresContainer(image, driver=None) as container:
        yield container.get_connection_url()
