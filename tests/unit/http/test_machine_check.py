"""How large the engine's machine is, is asked once in a while, and an engine may be away."""

import asyncio

from api.machine_check import KNOWN_SECONDS, UNKNOWN_SECONDS, EngineMachine
from domain.errors import EngineUnavailable
from domain.ports import EngineSize

SIZE = EngineSize(processors=2, memory_bytes=2**30)


class Engine:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def size(self) -> EngineSize:
        self.asked += 1
        if self.away:
            raise EngineUnavailable("down")
        return SIZE


class Story:
    def __init__(self) -> None:
        self.now = 0.0
        self.engine = Engine()
        self.machine = EngineMachine(self.engine, lambda: self.now)


def test_the_size_is_asked_for_once_in_a_while_however_many_need_it() -> None:
    async def story() -> None:
        told = Story()
        assert set(await asyncio.gather(*(told.machine.size() for _ in range(20)))) == {SIZE}
        assert told.engine.asked == 1
        told.now += KNOWN_SECONDS
        await told.machine.size()
        assert told.engine.asked == 2

    asyncio.run(story())


def test_of_an_engine_that_is_away_nobody_knows_the_size_until_it_is_back() -> None:
    async def story() -> None:
        told = Story()
        told.engine.away = True
        assert await told.machine.size() is None
        told.engine.away = False
        told.now += UNKNOWN_SECONDS
        assert await told.machine.size() == SIZE

    asyncio.run(story())
