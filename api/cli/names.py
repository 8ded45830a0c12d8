"""People name things by name; the service by id."""

import re

from api.cli.client import ApiClient
from api.cli.problems import Problem, ServiceRefused
from projections.answer import Page
from projections.build_rows import BuildRow
from projections.containers import ContainerRow

IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_FOUND = 404


async def find_build(client: ApiClient, build: str) -> str:
    """An id is taken as it is; a name means the newest build called so."""
    if IDENTIFIER.fullmatch(build):
        return build
    page = await client.read("/v1/builds", Page[BuildRow], {"name": build, "limit": 500})
    found = (row.build_id for row in page.items if row.name == build)
    return _first(next(found, None), f"There is no build called {build}: eulermaker build list")


async def find_container(client: ApiClient, container: str) -> str:
    """Among equal names the newest that is not removed."""
    if IDENTIFIER.fullmatch(container):
        return container
    page = await client.read(
        "/v1/containers", Page[ContainerRow], {"name": container, "limit": 500}
    )
    named = [row for row in page.items if row.name == container]
    named.sort(key=lambda row: row.status == "removed")
    found = named[0].container_id if named else None
    return _first(found, f"There is no container called {container}: eulermaker container list")


def _first(found: str | None, advice: str) -> str:
    if found is None:
        raise ServiceRefused(Problem(status=NOT_FOUND, detail=advice))
    return found
