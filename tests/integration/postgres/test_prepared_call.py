"""Calls on one connection: answered in their order, each for itself, all told when it is lost."""

import asyncio
import os
import socket

import psycopg
import pytest

from adapters.postgres.connections import connect
from adapters.postgres.prepared_call import PreparedCall
from tests.support.postgres import Database

NAME = "prepared call"


WAIT_AND_DIVIDE = "SELECT 6 / $1::bigint FROM pg_sleep(0.05)"


def test_calls_under_way_at_once_are_answered_each_for_itself(database: Database) -> None:
    async def body() -> None:
        call = await _open(database, WAIT_AND_DIVIDE)
        try:
            answers = await asyncio.gather(
                *(call([number.to_bytes(8)]) for number in (1, 0, 3)), return_exceptions=True
            )
        finally:
            await call.close()
        first, failed, last = answers
        assert (first, last) == ([(6,)], [(2,)])
        assert isinstance(failed, psycopg.errors.DivisionByZero)

    asyncio.run(body())


def test_an_answer_that_nobody_waits_for_any_more_is_not_given_to_the_next(
    database: Database,
) -> None:
    async def body() -> None:
        call = await _open(database, WAIT_AND_DIVIDE)
        try:
            gone = asyncio.create_task(call([(1).to_bytes(8)]))
            await asyncio.sleep(0)
            gone.cancel()
            assert await call([(2).to_bytes(8)]) == [(3,)]
        finally:
            await call.close()

    asyncio.run(body())


def test_closing_fails_the_calls_that_are_under_way(database: Database) -> None:
    async def body() -> None:
        call = await _open(database, "SELECT pg_sleep(60)")
        calls = [asyncio.create_task(call([])) for _ in range(2)]
        await asyncio.sleep(0)
        await call.close()
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == 2 * [psycopg.OperationalError]

    asyncio.run(body())


async def _open(database: Database, statement: str) -> PreparedCall:
    return await PreparedCall.open(await connect(database.service_url, NAME), statement)


def test_a_lost_socket_is_let_go_once_although_another_has_its_number_by_then(
    database: Database,
) -> None:
    async def body() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            connection = await connect(database.service_url, NAME)
            number = connection.pgconn.socket
            call = await PreparedCall.open(connection, "SELECT 1")
            await asyncio.to_thread(_terminate, database)
            with pytest.raises(psycopg.OperationalError):
                await call([])
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(number)  # libpq has closed it
            await _still_hears(call, ours, theirs, number)

    asyncio.run(body())


async def _still_hears(
    call: PreparedCall, ours: socket.socket, theirs: socket.socket, number: int
) -> None:
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    os.dup2(ours.fileno(), number)
    try:
        loop.add_reader(number, heard.set)
        await call.close()
        theirs.send(b"x")
        async with asyncio.timeout(5):
            await heard.wait()
    finally:
        loop.remove_reader(number)
        os.close(number)


def _terminate(database: Database) -> None:
    with database.as_owner() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = %s",
            [f"eulermaker {NAME}"],
        )
