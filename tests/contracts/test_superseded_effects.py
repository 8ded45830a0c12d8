"""What becomes of effects that a later event supersedes, in memory and on PostgreSQL."""

import pytest

from tests.support.effects import LEASE, Run, Store, claim, new, runner, superseding, write


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest) -> Run:
    return runner(request.getfixturevalue("database") if request.param == "postgres" else None)


def test_an_effect_that_nobody_has_begun_is_superseded(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1), new(2), new(1, "container-b", index=9))
        await write(store, new(3), supersede=[superseding(3)])
        found: dict[str, bool] = {}
        for _ in range(3):
            for claimed in await store.claim("me", limit=1, lease_seconds=LEASE):
                found[claimed.effect_id] = claimed.superseded
                await store.finish("me", claimed.effect_id)
        assert await claim(store) == ["3:0"]
        assert found == {"1:0": True, "1:9": False, "2:0": True}

    run(body)


def test_what_supersedes_names_its_own_stream_and_tenant_only(run: Run) -> None:
    async def body(store: Store) -> None:
        others = (superseding(9, "container-b"), superseding(9, tenant="u"))
        await write(store, new(1), supersede=others)
        (claimed,) = await store.claim("me", limit=1, lease_seconds=LEASE)
        assert not claimed.superseded

    run(body)


def test_a_superseded_effect_waits_for_no_time(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1), new(2, delay=3_600))
        await claim(store)
        await store.retry("me", "1:0", delay_seconds=3_600, reason="engine away")
        await write(store, supersede=[superseding(3)])
        assert await claim(store) == ["1:0", "2:0"]

    run(body)


def test_a_superseded_effect_is_tried_again_when_its_time_comes(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1))
        await write(store, supersede=[superseding(2)])
        assert await claim(store) == ["1:0"]
        await store.retry("me", "1:0", delay_seconds=3_600, reason="engine away")
        assert await claim(store) == []

    run(body)


def test_who_does_what_is_superseded_is_told(run: Run) -> None:
    async def body(store: Store) -> None:
        await write(store, new(1), new(1, "container-b", index=1))
        await claim(store)
        assert await store.interrupted("me") == []
        await write(store, new(2), supersede=[superseding(2)])
        assert await store.interrupted("me") == ["1:0"]
        assert await store.interrupted("other") == []
        await store.retry("me", "1:0", delay_seconds=0, reason="interrupted")
        assert await store.interrupted("me") == []

    run(body)
