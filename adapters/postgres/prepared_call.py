"""Statements that are prepared once and called again and again on a connection of their own.

It speaks to libpq itself: a cursor arranges for every wait anew, which costs five times as much as
all of this and, for a small batch, more than the batch. Here the loop watches the socket all along.
Calls go through libpq's pipeline: the next may be sent while the last one is not answered yet.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Self

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

from adapters.postgres.connections import AsyncConnection

LOST = "the connection is lost"


class PreparedCall:
    """Calls are executed and answered in their order, each a transaction of its own.

    After any error but the statement's own: close it, open another.
    """

    def __init__(self, connection: AsyncConnection, heard: Callable[[], None]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._socket = self._pgconn.socket
        self._rows = Transformer.from_context(connection)
        self._loop = asyncio.get_running_loop()
        self._answers: deque[asyncio.Future[PGresult]] = deque()
        self._result: PGresult | None = None
        self._heard = heard
        self._watching = True
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._read)

    @classmethod
    async def open(
        cls,
        connection: AsyncConnection,
        *statements: str,
        heard: Callable[[], None] = lambda: None,
    ) -> Self:
        """Owns the connection. statements: their parameters are $1, $2, …

        heard: called at each notification, and when the connection is lost.
        """
        call = cls(connection, heard)
        try:
            for number, statement in enumerate(statements):
                call._pgconn.send_prepare(_name(number), statement.encode())
                await call._answered()
        except BaseException:
            await call.close()
            raise
        return call

    async def __call__(
        self, arguments: Sequence[bytes | None], *, statement: int = 0
    ) -> Sequence[tuple[Any, ...]]:
        """The rows. arguments: in the binary format. statement: its number."""
        formats = [Format.BINARY] * len(arguments)
        self._pgconn.send_query_prepared(
            _name(statement), arguments, formats, result_format=Format.BINARY
        )
        result = await self._answered()
        self._rows.set_pgresult(result)
        return self._rows.load_rows(0, result.ntuples, tuple)

    async def close(self) -> None:
        """Calls that are not answered yet fail with OperationalError."""
        self._lose(psycopg.OperationalError(LOST))
        await self._connection.close()

    async def _answered(self) -> PGresult:
        if not self._watching:
            raise psycopg.OperationalError(LOST)
        self._pgconn.pipeline_sync()
        if self._pgconn.flush():
            self._loop.add_writer(self._socket, self._write)
        answer: asyncio.Future[PGresult] = self._loop.create_future()
        self._answers.append(answer)
        result = await answer
        if result.status in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
            return result
        raise error_from_result(result)

    def _write(self) -> None:
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.Error as error:
            self._lose(error)

    def _read(self) -> None:
        try:
            self._pgconn.consume_input()
            while self._answers and not self._pgconn.is_busy():
                self._take(self._pgconn.get_result())
            while self._pgconn.notifies() is not None:
                self._heard()
            if self._pgconn.status == ConnStatus.BAD:  # what came was no answer of PostgreSQL's
                self._lose(psycopg.OperationalError(LOST))
        except psycopg.Error as error:
            self._lose(error)

    def _take(self, result: PGresult | None) -> None:
        """A call's result is followed by None, and by a synchronisation that ends the call.

        Of two results the last one counts: the commit, at the synchronisation, may fail as well.
        """
        if result is None:
            return
        if result.status != ExecStatus.PIPELINE_SYNC:
            self._result = result
            return
        answer, kept, self._result = self._answers.popleft(), self._result, None
        if kept is not None and not answer.done():
            answer.set_result(kept)

    def _lose(self, error: psycopg.Error) -> None:
        """The next call will fail at once: libpq knows that the connection is gone."""
        self._ignore_socket()
        self._heard()
        while self._answers:
            answer = self._answers.popleft()
            if not answer.done():
                answer.set_exception(error)

    def _ignore_socket(self) -> None:
        """Once: libpq closes a lost socket, whose number may be somebody else's the next moment."""
        if not self._watching:
            return
        self._watching = False
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)


def _name(number: int) -> bytes:
    return b"call %d" % number
