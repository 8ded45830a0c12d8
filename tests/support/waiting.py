"""For what gives no signal: look again until it is so, within the test's own deadline."""

import asyncio
from collections.abc import Callable

LOOK_AGAIN_SECONDS = 0.005


async def until(claim: Callable[[], bool]) -> None:
    while not claim():  # noqa: ASYNC110 - there is nothing to wait for
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
