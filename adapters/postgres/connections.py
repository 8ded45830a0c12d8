"""Connections of the service: all have timeouts, UTC and a name that an operator recognises."""

from typing import Any

import psycopg
from psycopg.rows import TupleRow

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10
LOCK_SECONDS = 5
IDLE_IN_TRANSACTION_SECONDS = 5
UNACKNOWLEDGED_SECONDS = 10
ALL_ROWS = "*"
"""Stated as a session's tenant to see the rows of every one. Who states nothing sees no row."""

AsyncConnection = psycopg.AsyncConnection[TupleRow]


def parameters(
    name: str, *, statement_seconds: int = STATEMENT_SECONDS, every_tenant: bool = False
) -> dict[str, Any]:
    """Keyword arguments of connect, beside the URL."""
    settings: dict[str, object] = {
        "statement_timeout": statement_seconds * 1000,
        "lock_timeout": LOCK_SECONDS * 1000,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS * 1000,
        "timezone": "UTC",
    }
    if every_tenant:
        settings["eulermaker.tenant"] = ALL_ROWS
    return {
        "application_name": f"eulermaker {name}",
        "connect_timeout": CONNECT_SECONDS,
        "options": " ".join(f"-c {key}={value}" for key, value in settings.items()),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": UNACKNOWLEDGED_SECONDS * 1000,
        "autocommit": True,
        "prepare_threshold": 0,
    }


async def connect(url: str, name: str, *, every_tenant: bool = False) -> AsyncConnection:
    settings = parameters(name, every_tenant=every_tenant)
    return await psycopg.AsyncConnection.connect(url, **settings)
