"""People name things by name; the service by id."""

import re

from api.cli.client import ApiClient
from api.cli.problems import Problem, ServiceRefused
from projections.answer import Page
from projections.build_rows import BuildRow
from projections.containers import ContainerRow

IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_FOUND = 404
CONFLICT = 409


async def find_build(client: ApiClient, build: str) -> str:
    """An id is taken as it is; a name means the newest build called so."""
    if IDENTIFIER.fullmatch(build):
        return build
    page = await client.read("/v1/builds", Page[BuildRow], {"name": build, "limit": 500})
    found = (row.build_id for row in page.items if row.name == build)
    return _first(next(found, None), f"There is no build called {build}: eulermaker build list")


async def find_container(client: ApiClient, container: str) -> str:
    """A name means the one that is not removed; refused where it could mean several.

    Of those that are removed, where there are no others, it means the newest.
    """
    if IDENTIFIER.fullmatch(container):
        return container
    page = await client.read(
        "/v1/containers", Page[ContainerRow], {"name": container, "limit": 500}
    )
    named = [row for row in page.items if row.name == container]
    present = [row.container_id for row in named if row.status != "removed"]
    if len(present) > 1:
        raise ServiceRefused(Problem(status=CONFLICT, detail=_which(container, present)))
    found = [*present, *(row.container_id for row in named)]
    advice = f"There is no container called {container}: eulermaker container list"
    return _first(next(iter(found), None), advice)


def _which(name: str, ids: list[str]) -> str:
    return f"{len(ids)} containers are called {name}. Name one by its id: {', '.join(ids)}"


def _first(found: str | None, advice: str) -> str:
    if found is None:
        raise ServiceRefused(Problem(status=NOT_FOUND, detail=advice))
    return found
