"""A WebSocket that is refused is told in the words of the service, like any other request."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.cli.client import ApiClient
from api.cli.problems import NotAllowed
from api.cli.service_address import ServiceAddress

DETAIL = "A viewer may not read events."


async def refuse(request: web.Request) -> web.Response:
    assert request.headers["Upgrade"] == "websocket"
    return web.json_response({"title": "No", "detail": DETAIL}, status=403)


def test_a_refused_websocket_says_why() -> None:
    async def story() -> None:
        app = web.Application()
        app.router.add_get("/v1/events", refuse)
        async with TestServer(app) as server:
            address = ServiceAddress(url=str(server.make_url("")).rstrip("/"), key="k")
            async with ApiClient(address) as client:
                with pytest.raises(NotAllowed, match=DETAIL):
                    async with client.websocket("/v1/events"):
                        pass

    asyncio.run(story())
