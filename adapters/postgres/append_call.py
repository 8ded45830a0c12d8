"""A batch as a call of `log.append`; or of `log.append_one`, for one command of one event."""

from collections.abc import Sequence

from adapters.postgres.arrays import append_arguments
from adapters.postgres.connections import AsyncConnection
from adapters.postgres.envelope import COMMAND_FIELDS, EVENT_FIELDS, EncodedAppend
from adapters.postgres.hashing import NULL
from adapters.postgres.outcomes import AppendRow
from adapters.postgres.prepared_call import PreparedCall

PREFIX = len(NULL)
"""Of a field, before its bytes: an argument of its own needs no length."""


def _statement(function: str, arguments: int) -> str:
    numbers = ", ".join(f"${number}" for number in range(1, arguments + 1))
    return f"SELECT * FROM {function}({numbers})"  # noqa: S608 - our own text


_FIELDS = len(COMMAND_FIELDS) + len(EVENT_FIELDS)
_MANY, _ONE = range(2)
_STATEMENTS = (_statement("log.append", _FIELDS + 1), _statement("log.append_one", _FIELDS))


async def prepare_append(connection: AsyncConnection) -> PreparedCall:
    """Owns the connection."""
    return await PreparedCall.open(connection, *_STATEMENTS)


async def call_append(call: PreparedCall, batch: Sequence[EncodedAppend]) -> AppendRow:
    """call: of `prepare_append`."""
    if is_one(batch):
        (row,) = await call(_one_arguments(batch[0]), statement=_ONE)
        return AppendRow(*([value] for value in row))
    (row,) = await call(append_arguments(batch), statement=_MANY)
    return AppendRow(*row)


def is_one(batch: Sequence[EncodedAppend]) -> bool:
    return len(batch) == 1 and len(batch[0].events) == 1


def _one_arguments(append: EncodedAppend) -> list[bytes | None]:
    fields = (*append.command, *append.events[0])
    return [None if field == NULL else field[PREFIX:] for field in fields]
