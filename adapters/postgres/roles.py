"""The three database roles: who owns the log, who serves it, who only reports from it."""

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from adapters.postgres.errors import MigrationError

OWNER = "eulermaker_owner"
SERVICE = "eulermaker_service"
REPORTING = "eulermaker_reporting"


def ensure_roles(
    connection: psycopg.Connection, service_password: str | None, reporting_password: str | None
) -> None:
    for role in (OWNER, SERVICE, REPORTING):
        if not _exists(connection, role):
            _create(connection, role)
    _set_password(connection, SERVICE, service_password)
    _set_password(connection, REPORTING, reporting_password)
    _let_owner_create(connection)


def _exists(connection: psycopg.Connection, role: str) -> bool:
    return bool(connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount)


def _create(connection: psycopg.Connection, role: str) -> None:
    try:
        connection.execute(SQL("CREATE ROLE {} NOLOGIN").format(Identifier(role)))
    except psycopg.errors.DuplicateObject:
        return  # another database's migrator was faster
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            "This database user may not create roles. Let an administrator run:"
            f" CREATE ROLE {OWNER} NOLOGIN; CREATE ROLE {SERVICE} LOGIN PASSWORD '…';"
            f" CREATE ROLE {REPORTING} NOLOGIN; GRANT {OWNER} TO <this user>;"
            f" GRANT CREATE ON DATABASE <this database> TO {OWNER}; and start again."
        ) from error


def _set_password(connection: psycopg.Connection, role: str, password: str | None) -> None:
    if password is None:
        return
    try:
        connection.execute(
            SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(Identifier(role), Literal(password))
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"This database user may not set the password of {role}."
            " Let an administrator set it, and give no password here."
        ) from error


def _let_owner_create(connection: psycopg.Connection) -> None:
    """The migrator acts as the owner, who may add schemas to this database."""
    if not _may_act_as_owner(connection):
        connection.execute(SQL("GRANT {} TO CURRENT_USER").format(Identifier(OWNER)))
    row = connection.execute(
        "SELECT current_database(), has_database_privilege(%s, current_database(), 'CREATE')",
        [OWNER],
    ).fetchone()
    assert row is not None
    database, may_create = row
    if not may_create:
        connection.execute(
            SQL("GRANT CREATE ON DATABASE {} TO {}").format(Identifier(database), Identifier(OWNER))
        )


def _may_act_as_owner(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT pg_has_role(%s, 'MEMBER')", [OWNER]).fetchone()
    return row is not None and row[0]
