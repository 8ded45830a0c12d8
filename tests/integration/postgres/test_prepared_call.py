"""A prepared call whose connection is lost harms nobody who comes to its socket's number."""

import asyncio
import os
import socket

import psycopg
import pytest

from adapters.postgres.connections import connect
from adapters.postgres.prepared_call import PreparedCall
from tests.support.postgres import Database

NAME = "prepared call"


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
