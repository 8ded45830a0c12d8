"""A list has as many rows as are wanted, over as many pages as that takes."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.cli.client import ApiClient
from api.cli.listing import read_pages
from api.cli.service_address import ServiceAddress


async def numbers(request: web.Request) -> web.Response:
    """0 to 999, as the service pages."""
    after, limit = int(request.query.get("after", 0)), int(request.query["limit"])
    items = list(range(after, min(after + limit, 1000)))
    following = str(after + limit) if after + limit < 1000 else None
    page = {"projection": "p", "version": 1, "position": 1, "items": items, "next": following}
    return web.Response(body=msgspec.json.encode(page))


def listed(limit: int, wanted: Callable[[int], bool] | None = None) -> Sequence[int]:
    async def story() -> Sequence[int]:
        app = web.Application()
        app.router.add_get("/numbers", numbers)
        async with TestServer(app) as server:
            address = ServiceAddress(url=str(server.make_url("")).rstrip("/"), key="k")
            async with ApiClient(address) as client:
                return await read_pages(client, "/numbers", int, {}, limit=limit, wanted=wanted)

    return asyncio.run(story())


def test_no_more_rows_are_read_than_are_wanted() -> None:
    assert listed(3) == [0, 1, 2]
    assert len(listed(2000)) == 1000


def test_rows_that_are_not_wanted_do_not_count() -> None:
    assert listed(3, lambda row: row >= 700) == [700, 701, 702]
    assert listed(500, lambda row: row >= 998) == [998, 999]
