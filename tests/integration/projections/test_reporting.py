"""The reporting role reads its tenant's reports, and can do nothing else. We try everything."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from adapters.postgres.migrate import migrate
from adapters.postgres.projection_registry import ProjectionRegistry
from domain.containers.events import ContainerRequested
from domain.containers.spec import ContainerSpec
from projections.queries import Slice
from tests.support.postgres import PASSWORD, Database, PostgresServer
from tests.support.read_models import on_postgres

VIEWS = {
    "containers",
    "builds",
    "build_steps",
    "build_artifacts",
    "audit",
    "events_per_hour",
    "projections",
}


@pytest.fixture
def reporting(database: Database) -> Iterator[psycopg.Connection]:
    asyncio.run(_fill(database))
    with psycopg.connect(database.reporting_url, autocommit=True) as connection:
        yield connection


async def _fill(database: Database) -> None:
    async with on_postgres(database.service_url) as side:
        position = 0
        for tenant in ("default", "acme"):
            spec = ContainerSpec(image="openeuler:24.03", name=f"of-{tenant}")
            position = await side.record(
                f"container-{tenant}",
                ContainerRequested(container_id=tenant, spec=spec),
                tenant=tenant,
            )
        page = Slice(min_position=position)
        await side.queries.list_containers("default", page=page)
        await side.queries.list_audit("default", page=page)
        await side.queries.event_statistics("default", min_position=position)


def rows(connection: psycopg.Connection, view: str) -> list[tuple[object, ...]]:
    return connection.execute(SQL("SELECT * FROM reporting.{}").format(Identifier(view))).fetchall()


def test_it_reads_every_report(reporting: psycopg.Connection) -> None:
    found = reporting.execute(
        "SELECT table_name FROM information_schema.views WHERE table_schema = 'reporting'"
    )
    assert {name for (name,) in found} == VIEWS
    for view in VIEWS:
        rows(reporting, view)


@pytest.mark.parametrize("view", ["containers", "audit", "events_per_hour"])
def test_it_sees_its_own_tenant_only(reporting: psycopg.Connection, view: str) -> None:
    assert {row[0] for row in rows(reporting, view)} == {"default"}


def test_a_role_of_another_tenant_sees_that_one_whoever_it_says_it_is(
    reporting: psycopg.Connection, database: Database
) -> None:
    with database.as_owner() as owner:
        owner.execute(
            "DO $$ BEGIN CREATE ROLE test_acme LOGIN PASSWORD 'of-the-tests'"
            " IN ROLE eulermaker_reporting;"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        owner.execute("INSERT INTO reporting.readers VALUES ('test_acme', 'acme')")
    url = make_conninfo(database.owner_url, user="test_acme", password=PASSWORD)
    with psycopg.connect(url, autocommit=True) as acme:
        assert {row[0] for row in rows(acme, "containers")} == {"acme"}
        acme.execute("SET ROLE eulermaker_reporting")
        assert {row[0] for row in rows(acme, "containers")} == {"acme"}


def test_a_function_in_the_condition_never_sees_another_tenants_row(
    reporting: psycopg.Connection,
) -> None:
    """A cheap condition runs before the view's own, unless the view is a barrier."""
    found = reporting.execute(
        "SELECT count(*) FROM reporting.containers WHERE 1 / (name <> 'of-acme')::int = 1"
    ).fetchone()
    assert found == (1,)


FORBIDDEN = [
    "SELECT * FROM log.events",
    "SELECT * FROM log.receipts",
    "SELECT * FROM log.log_head",
    "SELECT * FROM work.effects",
    "SELECT * FROM read_models.containers",
    "SELECT * FROM read_models.containers_v1",
    "SELECT * FROM read_models.keys",
    "SELECT * FROM read_models.projections",
    "SELECT * FROM reporting.readers",
    "SELECT * FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY reporting.containers TO '/tmp/stolen'",
    "INSERT INTO reporting.readers VALUES ('eulermaker_reporting', 'acme')",
    "UPDATE reporting.containers SET name = 'x'",
    "DELETE FROM reporting.containers",
    "INSERT INTO reporting.events_per_hour VALUES ('default', now(), 'x', 1)",
    "TRUNCATE read_models.containers_v1",
    "DELETE FROM read_models.containers_v1",
    "DELETE FROM log.events",
    "CREATE TABLE mine (a int)",
    "CREATE TABLE public.mine (a int)",
    "CREATE TABLE reporting.mine (a int)",
    "CREATE TABLE read_models.mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION reporting.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW reporting.mine AS SELECT 1",
    "CREATE ROLE mine",
    "CREATE EXTENSION dblink",
    "DROP VIEW reporting.containers",
    "ALTER VIEW reporting.containers SET (security_barrier = false)",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SET ROLE eulermaker_owner",
    "SET ROLE eulermaker_service",
    "SET SESSION AUTHORIZATION eulermaker_service",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'eulermaker_service'",
    "BEGIN; LOCK TABLE reporting.containers IN ACCESS EXCLUSIVE MODE",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_it_can_do_nothing_else(reporting_only: str, statement: str) -> None:
    with psycopg.connect(reporting_only, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises((psycopg.errors.InsufficientPrivilege, *NOT_EVEN_POSSIBLE)):
            connection.execute(statement.encode())


def test_it_cannot_share_what_it_may_read(reporting_only: str) -> None:
    """PostgreSQL only warns, so we look at what became of it."""
    with psycopg.connect(reporting_only, autocommit=True) as connection:
        connection.execute("GRANT SELECT ON reporting.containers TO PUBLIC")
        found = connection.execute(
            "SELECT count(*) FROM pg_class, aclexplode(relacl)"
            " WHERE oid = 'reporting.containers'::regclass AND grantee = 0"
        ).fetchone()
        assert found == (0,)


NOT_EVEN_POSSIBLE = (
    psycopg.errors.ObjectNotInPrerequisiteState,  # a view that cannot be written
    psycopg.errors.FeatureNotSupported,
)


@pytest.fixture(scope="module")
def reporting_only(postgres_server: PostgresServer) -> Iterator[str]:
    """With somebody of the service to be harmed."""
    with postgres_server.empty_database() as url:
        # Not a copy of a migrated one: rights in the database itself are not copied.
        migrate(url, service_password=PASSWORD, reporting_password=PASSWORD)
        database = Database(url)
        asyncio.run(ProjectionRegistry(database.service_url).ensure())
        with psycopg.connect(database.service_url):
            yield database.reporting_url
