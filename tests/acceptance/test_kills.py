"""Whatever is killed, and wherever: what was acknowledged stays, and happens once."""

import asyncio

import pytest

from ops.bench.faults.kills import run_kills
from tests.support.faults import needs_an_engine_of_its_own

KILLS = 20


@needs_an_engine_of_its_own
@pytest.mark.timeout(900)
def test_twenty_kills_under_load_lose_nothing_and_do_nothing_twice() -> None:
    report = asyncio.run(run_kills(KILLS, containers=4, builds=1, seed=20))

    assert report.kills.total() == KILLS
    assert report.by_themselves == []
    assert report.verdict.wrong == []
    assert report.verdict.counts["commands acknowledged"] > KILLS
