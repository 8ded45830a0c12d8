"""A session sees and changes the rows of the tenant that it states: in every table there is."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier

from adapters.postgres.migrate import migrate, shipped
from adapters.postgres.projection_registry import INSERT, ProjectionRegistry
from adapters.postgres.projection_tables import ProjectionTable
from adapters.postgres.roles import SERVICE
from projections.catalog import READ_MODELS
from tests.support.postgres import PASSWORD, Database, PostgresServer

TENANT_TABLES = """
SELECT c.oid::regclass::text,
    c.relrowsecurity AND (c.relforcerowsecurity OR c.relowner <> %s::regrole) AS guarded,
    ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*')
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'm', 'f')
    AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
ORDER BY 1
"""
# The views of reports choose rows by themselves: see test_reporting.
TENANT_VIEWS = """
SELECT c.oid::regclass::text, coalesce('security_invoker=true' = ANY (c.reloptions), false)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
WHERE c.relkind = 'v' AND c.relnamespace <> 'reporting'::regnamespace
ORDER BY 1
"""
COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
FIRST_WITH_TENANTS = 60
A_DIGEST = "\\x" + "00" * 32
A_VALUE: dict[str, object] = {
    "boolean": False,
    "bytea": A_DIGEST,
    "json": [],
    "timestamp with time zone": "2026-03-01",
    "uuid": "00000000-0000-7000-8000-000000000000",
}
SPECIAL: dict[str, dict[str, object]] = {"logs.chunks": {"stream": "stdout"}}


class Table(NamedTuple):
    name: str
    guarded: bool
    policies: Sequence[str]

    @property
    def sql(self) -> Identifier:
        return Identifier(*self.name.split("."))


@pytest.fixture
def with_read_models(database: Database) -> Database:
    """Two versions of one, so that a table made by a rebuild is among them."""

    async def make() -> None:
        registry = ProjectionRegistry(database.service_url)
        await registry.ensure()
        await registry.rebuild("containers")

    asyncio.run(make())
    return database


@pytest.fixture
def tables(with_read_models: Database) -> Sequence[Table]:
    """Each with a row of tenant a and one of tenant b."""
    with with_read_models.as_owner() as owner:
        found = _tenant_tables(owner)
        for table in found:
            for tenant in ("a", "b"):
                owner.execute(_insert(owner, table, tenant))
    return found


def _tenant_tables(owner: psycopg.Connection) -> Sequence[Table]:
    return [Table(*row) for row in owner.execute(TENANT_TABLES, [SERVICE])]


def _insert(connection: psycopg.Connection, table: Table, tenant: str) -> Composed:
    row = {
        name: A_VALUE.get(kind, tenant if kind == "text" else ord(tenant))
        for name, kind in connection.execute(COLUMNS, [table.name])
    } | SPECIAL.get(table.name, {})
    return SQL("INSERT INTO {0} SELECT * FROM json_populate_record(NULL::{0}, {1}::json)").format(
        table.sql, msgspec.json.encode(row).decode()
    )


@pytest.fixture
def session(with_read_models: Database) -> Iterator[psycopg.Connection]:
    """Of the service."""
    with psycopg.connect(with_read_models.service_url, autocommit=True) as connection:
        yield connection


def _state(session: psycopg.Connection, tenant: str) -> None:
    session.execute("SELECT set_config('eulermaker.tenant', %s, false)", [tenant])


def _tenants(session: psycopg.Connection, table: Table) -> set[str]:
    return {tenant for (tenant,) in session.execute(SQL("SELECT tenant FROM {}").format(table.sql))}


def _may(session: psycopg.Connection, table: Table, privilege: str) -> bool:
    row = session.execute("SELECT has_table_privilege(%s, %s)", [table.name, privilege]).fetchone()
    return row == (True,)


def test_every_table_with_a_tenant_has_row_level_security(with_read_models: Database) -> None:
    """A table that fails here needs `SELECT access.isolate_tenants(…)` in its migration."""
    with with_read_models.as_owner() as owner:
        found = _tenant_tables(owner)
    assert {"log.events", "read_models.containers_v1", "read_models.containers_v2"} <= {
        table.name for table in found
    }
    unguarded = [
        table.name for table in found if not table.guarded or table.policies != ["stated_tenant"]
    ]
    assert not unguarded


def test_every_view_with_a_tenant_reads_with_the_rights_of_who_asks(
    with_read_models: Database,
) -> None:
    with with_read_models.as_owner() as owner:
        invoked: dict[str, bool] = dict(owner.execute(TENANT_VIEWS).fetchall())
    assert {"log.library_events", "read_models.containers"} <= set(invoked)
    assert [view for view, is_invoked in invoked.items() if not is_invoked] == []


def test_a_session_sees_the_tenant_that_it_states(
    tables: Sequence[Table], session: psycopg.Connection
) -> None:
    _state(session, "a")
    assert {table.name: _tenants(session, table) for table in tables} == {
        table.name: {"a"} for table in tables
    }


def test_the_library_s_view_shows_the_stated_tenant(
    tables: Sequence[Table], session: psycopg.Connection
) -> None:
    _state(session, "b")
    assert session.execute("SELECT tenant FROM log.library_events").fetchall() == [("b",)]


def test_who_states_nothing_sees_nothing(
    tables: Sequence[Table], session: psycopg.Connection
) -> None:
    assert [table.name for table in tables if _tenants(session, table)] == []
    _state(session, "")
    assert [table.name for table in tables if _tenants(session, table)] == []


def test_who_follows_the_whole_log_states_every_tenant(
    tables: Sequence[Table], session: psycopg.Connection
) -> None:
    _state(session, "*")
    assert [table.name for table in tables if not {"a", "b"} <= _tenants(session, table)] == []


def test_no_row_of_another_tenant_can_be_inserted(
    tables: Sequence[Table], session: psycopg.Connection
) -> None:
    _state(session, "a")
    allowed = [table for table in tables if _may(session, table, "INSERT")]
    assert len(allowed) > 5
    for table in allowed:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            session.execute(_insert(session, table, "c"))


def test_no_row_of_another_tenant_can_be_changed_or_removed(
    tables: Sequence[Table], session: psycopg.Connection
) -> None:
    _state(session, "a")
    for table in tables:
        if _may(session, table, "UPDATE"):
            change = SQL("UPDATE {} SET tenant = 'a' WHERE tenant <> 'a'").format(table.sql)
            assert session.execute(change).rowcount == 0, table.name
        if _may(session, table, "DELETE"):
            removal = SQL("DELETE FROM {} WHERE tenant <> 'a'").format(table.sql)
            assert session.execute(removal).rowcount == 0, table.name


def test_no_row_can_be_given_to_another_tenant(
    tables: Sequence[Table], session: psycopg.Connection
) -> None:
    _state(session, "a")
    for table in tables:
        if _may(session, table, "UPDATE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                session.execute(SQL("UPDATE {} SET tenant = 'c'").format(table.sql))


def test_a_report_that_forgets_the_tenant_shows_the_reader_s_own(
    tables: Sequence[Table], session: psycopg.Connection, with_read_models: Database
) -> None:
    session.execute(
        "CREATE VIEW reporting.careless AS SELECT tenant FROM read_models.containers_v1"
    )
    session.execute("GRANT SELECT ON reporting.careless TO eulermaker_reporting")
    with with_read_models.as_owner() as owner:
        owner.execute("INSERT INTO reporting.readers VALUES ('eulermaker_reporting', 'b')")
    with psycopg.connect(with_read_models.reporting_url) as reader:
        assert reader.execute("SELECT tenant FROM reporting.careless").fetchall() == [("b",)]


def test_an_upgrade_guards_the_read_models_that_are_there_already(
    postgres_server: PostgresServer,
) -> None:
    with postgres_server.empty_database() as url:
        database = Database(url)
        before = [each for each in shipped() if each.number < FIRST_WITH_TENANTS]
        migrate(url, service_password=PASSWORD, migrations=before)
        with psycopg.connect(database.service_url) as service:
            for model in READ_MODELS:
                service.execute(INSERT, [model.name, 1, model.code_version, "active", False])
                service.execute(ProjectionTable(model, 1).create)
        migrate(url)
        asyncio.run(ProjectionRegistry(database.service_url).ensure())
        with database.as_owner() as owner:
            found = _tenant_tables(owner)
        assert len(found) > len(READ_MODELS)
        assert [table.name for table in found if not table.guarded] == []
