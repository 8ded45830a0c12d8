"""No blob that is needed is lost, whatever happens between any two steps of a collection."""

import asyncio
from typing import Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.storage.digests import digest_of
from domain.event import DEFAULT_TENANT
from tests.support.storage import DAY_SECONDS, Storage


class Action(msgspec.Struct, frozen=True):
    """touch: a submission begins, and finds it or is refused. submit: it is recorded.

    age: nobody has touched it for two days. No collection takes so long, and no submission
    whose record is still to come.
    """

    what: Literal["put", "touch", "submit", "age"]
    number: int


ACTIONS = st.builds(
    Action,
    st.sampled_from(["put", "touch", "submit", "age"]),
    st.integers(min_value=0, max_value=1),
)
BETWEEN_STEPS = st.lists(st.lists(ACTIONS, max_size=4), max_size=20)


class Meanwhile:
    """Does what was planned, step by step."""

    def __init__(self, plan: list[list[Action]]) -> None:
        self._plan = plan
        self.begun: set[int] = set()
        self.recorded: set[int] = set()
        self._touched_in_this_run: set[int] = set()
        self.at = Storage(self.go_on)

    async def begin(self) -> None:
        for number in (0, 1):
            await self.at.put_old(_content(number))

    async def collect(self) -> None:
        self._touched_in_this_run.clear()
        await self.at.collector().collect()

    async def go_on(self) -> None:
        for action in self._plan.pop(0) if self._plan else ():
            await self._do(action)

    async def _do(self, action: Action) -> None:
        number = action.number
        digest = _digest(number)
        if action.what == "put":
            await self.at.put(_content(number))
            self._touched_in_this_run.add(number)
        elif action.what == "touch":
            if await self.at.blobs.touch(DEFAULT_TENANT, digest) is not None:
                self.begun.add(number)
                self._touched_in_this_run.add(number)
        elif action.what == "submit" and number in self.begun:
            self.begun.discard(number)
            await self.at.submit(digest)
            self.recorded.add(number)
        elif action.what == "age" and await self._may_age(number):
            self.at.blobs.age(DEFAULT_TENANT, digest, 2 * DAY_SECONDS)

    async def _may_age(self, number: int) -> bool:
        busy = self.begun | self._touched_in_this_run
        return number not in busy and await self.at.is_there(_digest(number))


def _content(number: int) -> bytes:
    return f"content {number}".encode()


def _digest(number: int) -> str:
    return digest_of(_content(number))


@settings(max_examples=500)
@given(BETWEEN_STEPS)
def test_no_blob_is_lost_that_a_submission_found_or_an_event_mentions(
    plan: list[list[Action]],
) -> None:
    async def body() -> None:
        meanwhile = Meanwhile(plan)
        await meanwhile.begin()
        for _ in range(3):
            await meanwhile.collect()
            for number in meanwhile.begun | meanwhile.recorded:
                assert await meanwhile.at.is_there(_digest(number))

    asyncio.run(body())
