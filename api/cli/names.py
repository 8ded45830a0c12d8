"""People name things by name; the service by id."""

import re
from collections.abc import Sequence

from api.cli.client import ApiClient
from api.cli.listing import read_pages
from api.cli.problems import Problem, ServiceRefused
from projections.build_rows import BuildRow
from projections.containers import ContainerRow

IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_FOUND = 404
CONFLICT = 409
ILLEGAL = re.compile(r"[^a-z0-9_.-]+")
LONGEST_NAME = 63
MOST_NAMED = 500  # of one name, nearly all of them removed; the newest come first


def name_after(text: str) -> str:
    """What something is called elsewhere, as a name that the service takes; perhaps nothing."""
    return ILLEGAL.sub("-", text.lower()).strip("-._")[:LONGEST_NAME]


async def find_build(client: ApiClient, build: str) -> str:
    """An id is taken as it is; a name means the newest build called so."""
    if IDENTIFIER.fullmatch(build):
        return build
    named = await read_pages(
        client,
        "/v1/builds",
        BuildRow,
        {"name": build},
        limit=1,
        wanted=lambda row: row.name == build,
    )
    advice = f"There is no build called {build}: eulermaker build list"
    return _first([row.build_id for row in named], advice)


async def find_container(client: ApiClient, container: str) -> str:
    """A name means the one that is not removed; refused where it could mean several.

    Of those that are removed, where there are no others, it means the newest.
    """
    if IDENTIFIER.fullmatch(container):
        return container
    named = await read_pages(
        client,
        "/v1/containers",
        ContainerRow,
        {"name": container},
        limit=MOST_NAMED,
        wanted=lambda row: row.name == container,
    )
    present = [row.container_id for row in named if row.status != "removed"]
    if len(present) > 1:
        raise ServiceRefused(Problem(status=CONFLICT, detail=_which(container, present)))
    found = [*present, *(row.container_id for row in named)]
    advice = f"There is no container called {container}: eulermaker container list"
    return _first(found, advice)


def _which(name: str, ids: list[str]) -> str:
    return f"{len(ids)} containers are called {name}. Name one by its id: {', '.join(ids)}"


def _first(found: Sequence[str], advice: str) -> str:
    if not found:
        raise ServiceRefused(Problem(status=NOT_FOUND, detail=advice))
    return found[0]
