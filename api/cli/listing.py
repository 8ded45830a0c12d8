"""Lists: as many pages as it takes for the number of rows that somebody wants."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from api.cli.client import ApiClient, Query
from projections.answer import Page

MAX_PAGE = 500
Row = TypeVar("Row")

list_option = click.option(
    "--limit", "-n", type=click.IntRange(1), default=50, show_default=True, help="Rows at most."
)


async def read_pages(
    client: ApiClient,
    path: str,
    kind: type[Row],
    query: Query,
    *,
    limit: int,
    wanted: Callable[[Row], bool] | None = None,
) -> Sequence[Row]:
    """wanted: where the service cannot choose; its pages are full then, however few are wanted."""
    rows: list[Row] = []
    cursor: str | None = None
    while len(rows) < limit:
        size = MAX_PAGE if wanted else min(limit - len(rows), MAX_PAGE)
        page: Page[Row] = await client.read(
            path,
            Page[kind],  # type: ignore[valid-type]  # the parameter is known at run time only
            {**query, "limit": size, "after": cursor},
        )
        rows += filter(wanted, page.items) if wanted else page.items
        cursor = page.next
        if cursor is None:
            break
    return rows[:limit]
