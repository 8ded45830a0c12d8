"""Driver errors in the domain's words, in one place."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from domain.errors import StoreUnavailable

UNREACHABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolClosed,
    PoolTimeout,
    TooManyRequests,
    OSError,
    TimeoutError,
    # After a failover the old primary may still answer, as a standby.
    psycopg.errors.ReadOnlySqlTransaction,
)
"""What may be over in a moment: the server restarts, is full, too slow or out of reach."""

NOT_SET_UP = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InsufficientPrivilege,
)


_CONNECTION_ENDS = ("08", "57P", "25006")
"""States: connection exceptions, operator intervention, a standby that was the primary."""


class MigrationError(Exception):
    """The database cannot be brought to this program's schema; the text says what to do."""


@contextmanager
def translated() -> Generator[None]:
    """Raise StoreUnavailable for whatever keeps PostgreSQL from answering."""
    try:
        yield
    except UNREACHABLE as error:
        raise StoreUnavailable(f"PostgreSQL does not answer: {one_line(error)}") from error
    except NOT_SET_UP as error:
        raise StoreUnavailable(
            f"The database is not ready: {one_line(error)}. Run the migrations."
        ) from error


def is_answer(error: BaseException) -> bool:
    """PostgreSQL itself said no to a statement, and its connection can be used further."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return state is not None and not state.startswith(_CONNECTION_ENDS)


def one_line(error: BaseException) -> str:
    """The first line only: later ones may quote values."""
    if isinstance(error, TimeoutError):
        return "no answer came in time"
    return (str(error) or type(error).__name__).splitlines()[0]
