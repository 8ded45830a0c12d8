"""The peer of the commands over HTTP: decodes the same body, answers the same JSON, no more."""

import asyncio
import sys
from contextlib import suppress

import msgspec
import uvloop
from aiohttp import web

from api.http.keys import KeyCreation, KeyRequest

PATH = "/v1/keys"
ANSWER = KeyCreation(
    id="0b1f0c2e-4f5d-8a6b-9c7d-112233445566",
    command_id="0192f1aa-0000-7000-8000-000000000001",
    status="accepted",
    stream="key-0b1f0c2e-4f5d-8a6b-9c7d-112233445566",
    version=1,
    first_position=1_000,
    position=1_000,
    token="em_0b1f0c2e-4f5d-8a6b-9c7d-112233445566_" + 64 * "0",
)
_decode = msgspec.json.Decoder(KeyRequest).decode
_encode = msgspec.json.Encoder().encode


async def _create_key(request: web.Request) -> web.Response:
    _decode(await request.read())
    return web.Response(status=201, body=_encode(ANSWER), content_type="application/json")


async def _serve(port: int) -> None:
    app = web.Application()
    app.router.add_post(PATH, _create_key)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(int(sys.argv[1])))
