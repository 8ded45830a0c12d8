import asyncio

from api.image_check import FOUND_SECONDS, MISSING_SECONDS, EngineImages
from domain.errors import EngineUnavailable
from domain.ports import EngineImage

IMAGE = EngineImage(image_id="sha256:1", tags=("here:1",), architecture="amd64", size=1)


class Engine:
    """Counts what it is asked; answers when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.present = {"here:1"}
        self.away = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def find_image(self, reference: str) -> EngineImage | None:
        self.asked += 1
        await self.may_answer.wait()
        if self.away:
            raise EngineUnavailable("down")
        return IMAGE if reference in self.present else None

    async def why_unobtainable(self, reference: str) -> str | None:
        return None if reference == "pullable:1" else "It is nowhere."


class Story:
    def __init__(self) -> None:
        self.now = 0.0
        self.engine = Engine()
        self.images = EngineImages(self.engine, lambda: self.now)


def test_what_is_here_or_can_be_pulled_is_not_missing() -> None:
    async def story() -> None:
        images = Story().images
        assert await images.why_missing("here:1") is None
        assert await images.why_missing("pullable:1") is None
        assert await images.why_missing("nowhere:1") == "It is nowhere."

    asyncio.run(story())


def test_an_image_is_asked_for_once_in_a_while_however_often_it_is_named() -> None:
    async def story() -> None:
        told = Story()
        for reference, seconds in (("here:1", FOUND_SECONDS), ("nowhere:1", MISSING_SECONDS)):
            told.engine.asked = 0
            for _ in range(100):
                await told.images.why_missing(reference)
            assert told.engine.asked == 1
            told.now += seconds + 0.1
            await told.images.why_missing(reference)
            assert told.engine.asked == 2

    asyncio.run(story())


def test_many_at_once_ask_once_and_one_that_leaves_harms_nobody() -> None:
    async def story() -> None:
        told = Story()
        told.engine.may_answer.clear()
        tasks = [asyncio.create_task(told.images.why_missing("nowhere:1")) for _ in range(20)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        told.engine.may_answer.set()
        assert await asyncio.gather(*tasks[1:]) == ["It is nowhere."] * 19
        assert told.engine.asked == 1

    asyncio.run(story())


def test_an_image_that_was_loaded_is_seen_soon() -> None:
    async def story() -> None:
        told = Story()
        assert await told.images.why_missing("new:1")
        told.engine.present.add("new:1")
        told.now += MISSING_SECONDS + 0.1
        assert await told.images.why_missing("new:1") is None

    asyncio.run(story())


def test_while_the_engine_is_away_nothing_is_missing() -> None:
    async def story() -> None:
        told = Story()
        told.engine.away = True
        assert await told.images.why_missing("nowhere:1") is None

    asyncio.run(story())
