"""What became of something, as its read model tells it: a moment after the log."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from api.cli.client import ApiClient
from api.cli.patience import Patience
from api.cli.problems import NotNow, ReadModelBehind, ServiceRefused, ServiceUnreachable
from projections.answer import Answer

OUTCOME_SECONDS = 60.0
PAUSE_SECONDS = 0.2

Details = TypeVar("Details")


async def read_when(
    client: ApiClient,
    path: str,
    kind: type[Details],
    wanted: Callable[[Details], bool],
    *,
    again: str,
) -> Details:
    """again: the command that asks later. Raises ReadModelBehind."""
    answer: Any = Answer[kind]  # type: ignore[valid-type]  # a type made here
    deadline = asyncio.get_running_loop().time() + OUTCOME_SECONDS
    patience = Patience()
    while asyncio.get_running_loop().time() < deadline:
        try:
            found: Details = (await client.read(path, answer)).value
        except (ServiceUnreachable, NotNow) as broken:
            await patience.wait(broken)
            continue
        except ServiceRefused as refused:
            if not refused.is_unknown_id:
                raise
        else:
            if wanted(found):
                return found
        await asyncio.sleep(PAUSE_SECONDS)
    raise ReadModelBehind(again)
