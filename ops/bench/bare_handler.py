"""The peers of the commands over HTTP: both decode the same body and answer the same JSON.

The bare handler does no more; with a database's URL it also records the event, which is the least
that a durable command can do: nobody is asked for a key, nothing is decided, limited or logged.
"""

import asyncio
import sys
from contextlib import suppress

import msgspec
import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler

from adapters.postgres.event_store import PostgresEventStore
from adapters.system import SystemClock, TimeOrderedIds
from api.http.keys import KeyCreation, KeyRequest
from domain.access.events import KeyCreated
from domain.event import Append, CommandContext
from domain.ports import EventStore

PATH = "/v1/keys"
SECRET = 64 * "0"
ANSWER = KeyCreation(
    id="0b1f0c2e-4f5d-8a6b-9c7d-112233445566",
    command_id="0192f1aa-0000-7000-8000-000000000001",
    status="accepted",
    stream="key-0b1f0c2e-4f5d-8a6b-9c7d-112233445566",
    version=1,
    first_position=1_000,
    position=1_000,
    token=f"em_0b1f0c2e-4f5d-8a6b-9c7d-112233445566_{SECRET}",
)
_decode = msgspec.json.Decoder(KeyRequest).decode
_encode = msgspec.json.Encoder().encode


async def _create_key(request: web.Request) -> web.Response:
    _decode(await request.read())
    return _answer(ANSWER)


def _recording(store: EventStore) -> Handler:
    clock, ids = SystemClock(), TimeOrderedIds()

    async def create_key(request: web.Request) -> web.Response:
        wanted = _decode(await request.read())
        key_id = ids.new()
        context = CommandContext(
            command_id=key_id, correlation_id=key_id, actor="key:bench", occurred_at=clock.now()
        )
        event = KeyCreated(key_id=key_id, role=wanted.role, secret_sha256=SECRET)
        receipt = await store.append(
            Append(
                context=context,
                stream=f"key-{key_id}",
                expected_version=0,
                events=(event,),
                fingerprint=bytes(32),
            )
        )
        return _answer(
            KeyCreation(
                id=key_id,
                command_id=receipt.command_id,
                status=receipt.status,
                stream=receipt.stream,
                version=receipt.version,
                first_position=receipt.first_position,
                position=receipt.last_position,
                token=f"em_{key_id}_{SECRET}",
            )
        )

    return create_key


def _answer(created: KeyCreation) -> web.Response:
    return web.Response(status=201, body=_encode(created), content_type="application/json")


async def _serve(port: int, handler: Handler) -> None:
    app = web.Application()
    app.router.add_post(PATH, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def _main(port: int, database_url: str | None) -> None:
    if database_url is None:
        await _serve(port, _create_key)
        return
    store = PostgresEventStore(database_url)
    await store.start()
    try:
        await _serve(port, _recording(store))
    finally:
        await store.stop()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(_main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))  # noqa: PLR2004
