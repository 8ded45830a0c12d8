"""What every EffectStore does, in memory and on PostgreSQL."""

import asyncio

import pytest

from domain.containers.spec import ContainerSpec
from domain.ports import NewEffect
from domain.processes import effects as f
from tests.support.effects import LEASE, P, Run, Store, claim, new, runner, write


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest) -> Run:
    return runner(request.getfixturevalue("database") if request.param == "postgres" else None)


def test_a_claimed_effect_is_the_one_that_was_written(run: Run) -> None:
    spec = ContainerSpec(image="alpine:3", name="web", environment={"A": "☃"})
    effect = f.CreateEngineContainer(container_id="c", generation=2, intent=1, spec=spec)

    async def body(store: Store) -> None:
        await write(store, NewEffect(
            effect_id="x", tenant="acme", stream="container-c", position=7, index=1,
            correlation_id="request", effect=effect,
        ))  # fmt: skip
        (claimed,) = await store.claim("me", limit=1, lease_seconds=LEASE)
        assert claimed.effect == effect
        assert (claimed.effect_id, claimed.tenant, claimed.stream) == ("x", "acme", "container-c")
        assert (claimed.correlation_id, claimed.attempt) == ("request", 1)
        assert not claimed.superseded

    run(body)


def test_the_position_moves_only_from_where_it_was_read(run: Run) -> None:
    async def body(store: Store) -> None:
        assert await store.position(P) == 0
        assert await store.write(P, after=0, position=5, effects=[new(1)], superseding=[])
        for after in (0, 3, 6):
            late = new(2, "container-b")
            assert not await store.write(P, after=after, position=9, effects=[late], superseding=[])
        assert await store.position(P) == 5
        assert await store.position("other") == 0
        assert await claim(store) == ["1:0"]

    run(body)


def test_of_two_writers_from_one_position_one_wins(run: Run) -> None:
    async def body(store: Store) -> None:
        for after in range(5):
            won = await asyncio.gather(
                *(
                    store.write(P, after=after, position=after + 1, effects=[], superseding=[])
                    for _ in range(4)
                )
            )
            assert sorted(won) == [False, False, False, True]

    run(body)


def test_an_effect_written_twice_is_done_once(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1))
        await write(store, new(1))
        assert await claim(store) == ["1:0"]
        await store.finish("me", "1:0")
        assert await claim(store) == []

    run(body)


def test_effects_of_one_stream_are_claimed_one_after_the_other(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(2), new(1, index=1), new(1, index=0))
        for expected in ("1:0", "1:1", "2:0"):
            assert await claim(store) == [expected]
            assert await claim(store, "other") == []
            await store.finish("me", expected)
        assert await claim(store) == []

    run(body)


def test_effects_of_different_streams_are_claimed_together_oldest_first(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(3, "container-c"), new(1), new(2, "container-b"), new(4, "build-d"))
        await write(store, new(5, tenant="u"))
        assert await claim(store, limit=3) == ["1:0", "2:0", "3:0"]
        assert await claim(store, "other") == ["4:0", "5:0"]

    run(body)


def test_no_effect_is_claimed_by_two(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, *(new(n, f"container-{n}") for n in range(1, 41)))
        claims = await asyncio.gather(*(claim(store, f"o-{n}", limit=10) for n in range(6)))
        found = [effect_id for claimed in claims for effect_id in claimed]
        assert len(found) == len(set(found))
        assert len(found) + len(await claim(store, limit=40)) == 40

    run(body)


def test_an_effect_that_is_tried_again_later_holds_up_what_follows(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1), new(2))
        await claim(store)
        await store.retry("me", "1:0", delay_seconds=60, reason="engine away" * 1_000)
        assert await claim(store) == []

    run(body)


def test_each_claim_counts_as_an_attempt(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1))
        for attempt in (1, 2, 3):
            (claimed,) = await store.claim("me", limit=1, lease_seconds=LEASE)
            assert claimed.attempt == attempt
            await store.retry("me", "1:0", delay_seconds=0, reason="again")

    run(body)


def test_an_attempt_that_touched_nothing_does_not_count(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1))
        for _ in range(3):
            (claimed,) = await store.claim("me", limit=1, lease_seconds=LEASE)
            assert claimed.attempt == 1
            await store.retry("me", "1:0", delay_seconds=0, reason="away", untouched=True)

    run(body)


def test_an_effect_whose_lease_ran_out_is_anybodys(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1))
        await store.claim("me", limit=1, lease_seconds=-1)
        (claimed,) = await store.claim("other", limit=1, lease_seconds=LEASE)
        assert (claimed.effect_id, claimed.attempt) == ("1:0", 2)

    run(body)


def test_an_extended_lease_holds(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1), new(2, "container-b"))
        await store.claim("me", limit=2, lease_seconds=-1)
        await store.extend("me", ["1:0"], lease_seconds=LEASE)
        await store.extend("me", [], lease_seconds=LEASE)
        assert await claim(store, "other") == ["2:0"]

    run(body)


def test_only_the_owner_ends_extends_or_gives_back_an_effect(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1))
        await claim(store)
        await store.finish("other", "1:0")
        await store.retry("other", "1:0", delay_seconds=0, reason="mine")
        await store.extend("other", ["1:0"], lease_seconds=-1)
        assert await claim(store, "other") == []
        await store.finish("me", "1:0")
        assert await store.depth() == 0

    run(body)


def test_who_takes_over_ends_all_leases(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1), new(2, "container-b"))
        await claim(store, "dead")
        await store.take_over()
        assert await claim(store) == ["1:0", "2:0"]
        await store.finish("dead", "1:0")
        assert await store.depth() == 2

    run(body)


def test_a_timer_waits_for_its_time_and_holds_up_nothing(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1, index=0, delay=3_600), new(1, index=1))
        assert await claim(store) == ["1:1"]

    run(body)


def test_a_timer_that_is_due_waits_for_nobody(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1), new(2, delay=0.001))
        async with asyncio.timeout(30):
            found = await claim(store)
            while "2:0" not in found:
                await asyncio.sleep(0.005)
                found += await claim(store)
        assert sorted(found) == ["1:0", "2:0"]

    run(body)


def test_a_reason_may_hold_what_no_database_takes(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1))
        await claim(store)
        await store.retry("me", "1:0", delay_seconds=0, reason="exec: a\0b\udcff")
        assert await claim(store) == ["1:0"]

    run(body)


def test_the_depth_counts_what_is_due_or_under_way(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1), new(2), new(3, delay=3_600))
        assert await store.depth() == 2
        await claim(store)
        assert await store.depth() == 2
        await store.finish("me", "1:0")
        assert await store.depth() == 1

    run(body)
