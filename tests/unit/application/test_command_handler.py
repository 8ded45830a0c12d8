"""Commands are handled once: again when somebody was faster, the same when delivered again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from adapters.memory.event_store import InMemoryEventStore
from domain.access.events import CommandRefused
from domain.application.aggregates import CONTAINERS
from domain.application.command_handler import CommandHandler
from domain.containers import commands as c
from domain.containers.state import Container, Status
from domain.errors import CommandIdReused, ConcurrencyConflict, Refusal, UnknownStream
from domain.event import DEFAULT_TENANT, RecordedEvent
from tests.support.appends import a_context
from tests.support.containers import CID, SPEC, created

REQUEST = c.RequestContainer(container_id=CID, spec=SPEC, start=False)
START = c.StartContainer(container_id=CID)
STREAM = f"container-{CID}"
Body = Callable[[InMemoryEventStore, CommandHandler], Awaitable[None]]


class SlowReads(InMemoryEventStore):
    """Others get a turn between what is read and what is decided of it."""

    async def read_stream(
        self, tenant: str, stream: str, *, after_version: int = 0, limit: int = 1_000
    ) -> Sequence[RecordedEvent]:
        page = await super().read_stream(tenant, stream, after_version=after_version, limit=limit)
        await asyncio.sleep(0)
        return page


def run(body: Body) -> None:
    async def main() -> None:
        store = SlowReads()
        await body(store, CommandHandler(store))

    asyncio.run(main())


def _rename(name: str) -> c.RenameContainer:
    return c.RenameContainer(container_id=CID, name=name)


async def _state(handler: CommandHandler) -> Container:
    state = (await handler.load(CONTAINERS, DEFAULT_TENANT, CID)).state
    assert isinstance(state, Container)
    return state


def test_a_command_delivered_again_gets_the_same_receipt() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        first = await handler.handle(REQUEST, a_context("r"))
        await handler.handle(_rename("later"), a_context())
        for again in (handler, CommandHandler(store)):
            receipt = await again.handle(REQUEST, a_context("r"))
            assert receipt.replayed
            assert receipt.first_position == first.first_position
            assert receipt.version == first.version
        assert (await store.head()).position == 2

    run(body)


def test_a_state_can_be_had_as_it_was_at_a_version() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        for name in ("x", "y", "z"):
            command = REQUEST if name == "x" else _rename(name)
            await handler.handle(command, a_context())
        for loading in (handler, CommandHandler(store)):
            then = await loading.load(CONTAINERS, DEFAULT_TENANT, CID, version=2)
            assert (then.version, then.state.name) == (2, "y")
            assert (await _state(loading)).name == "z"

    run(body)


def test_a_refusal_is_recorded_once_and_stays_the_answer() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        await handler.handle(REQUEST, a_context())
        with pytest.raises(Refusal) as first:
            await handler.handle(START, a_context("s"))
        await handler.handle(created(), a_context())
        for other in ("not at all", "for another reason"):
            if other == "for another reason":
                await handler.handle(START, a_context())
            for again in (handler, CommandHandler(store)):
                with pytest.raises(Refusal) as replayed:
                    await again.handle(START, a_context("s"))
                assert str(replayed.value) == str(first.value), f"it would be refused {other} now"
        recorded = [r.event for r in await store.read_log(0) if isinstance(r.event, CommandRefused)]
        (refused,) = recorded
        assert (refused.attempt_id, refused.command, refused.target) == (
            "s",
            "StartContainer",
            STREAM,
        )
        assert (refused.rule, refused.state) == (first.value.rule, "requested")

    run(body)


def test_a_command_that_was_accepted_is_not_refused_when_it_comes_again() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        await handler.handle(REQUEST, a_context())
        await handler.handle(created(), a_context())
        await handler.handle(START, a_context("s"))
        assert (await handler.handle(START, a_context("s"))).replayed

    run(body)


def test_an_id_used_for_another_command_is_refused() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        await handler.handle(REQUEST, a_context("r"))
        with pytest.raises(CommandIdReused):
            await handler.handle(_rename("x"), a_context("r"))

    run(body)


def test_a_stale_version_is_a_conflict_and_a_retry_of_what_succeeded_is_not() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        await handler.handle(REQUEST, a_context())
        await handler.handle(_rename("x"), a_context("r"), expected_version=1)
        retried = await handler.handle(_rename("x"), a_context("r"), expected_version=1)
        assert retried.replayed
        with pytest.raises(ConcurrencyConflict) as conflict:
            await handler.handle(_rename("y"), a_context(), expected_version=1)
        assert (conflict.value.expected, conflict.value.actual) == (1, 2)

    run(body)


def test_a_version_that_is_not_there_yet_is_a_conflict_even_if_it_comes_meanwhile() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        await handler.handle(REQUEST, a_context())
        other = CommandHandler(store)
        early, _ = await asyncio.gather(
            handler.handle(_rename("early"), a_context("e"), expected_version=2),
            other.handle(_rename("x"), a_context()),
            return_exceptions=True,
        )
        assert isinstance(early, ConcurrencyConflict)
        assert await store.find_receipt(DEFAULT_TENANT, "e") is None

    run(body)


def test_commands_that_collide_are_decided_again_until_each_is_recorded() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        await handler.handle(REQUEST, a_context())
        handlers = [handler, CommandHandler(store), CommandHandler(store)]
        await asyncio.gather(
            *(h.handle(_rename(f"n{i}"), a_context()) for i, h in enumerate(handlers * 2))
        )
        assert len(await store.read_stream(DEFAULT_TENANT, STREAM)) == 7
        names = {(await _state(each)).name for each in handlers}
        assert len(names) == 1

    run(body)


def test_of_two_starts_at_once_one_is_refused() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        await handler.handle(REQUEST, a_context())
        await handler.handle(created(), a_context())
        answers = await asyncio.gather(
            handler.handle(START, a_context()),
            CommandHandler(store).handle(START, a_context()),
            return_exceptions=True,
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Receipt", "Refusal"]
        assert (await _state(handler)).status is Status.STARTING

    run(body)


def test_what_others_recorded_is_seen_in_spite_of_the_cache() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        await handler.handle(REQUEST, a_context())
        await CommandHandler(store).handle(_rename("other"), a_context())
        assert (await _state(handler)).name == "other"

    run(body)


def test_an_unknown_container_is_unknown_and_nothing_is_recorded() -> None:
    async def body(store: InMemoryEventStore, handler: CommandHandler) -> None:
        with pytest.raises(UnknownStream):
            await handler.handle(START, a_context())
        assert (await store.head()).position == 0

    run(body)
