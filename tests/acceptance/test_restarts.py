"""Servers and the engine go away under load and come back; so does the service."""

import asyncio

import pytest

from ops.bench.faults.restarts import run_restarts
from tests.support.faults import needs_an_engine_of_its_own

TIMES = 2
PARTS = {"postgres", "redis", "docker killed", "docker restarted"}


@needs_an_engine_of_its_own
@pytest.mark.timeout(900)
def test_the_service_recovers_from_the_loss_of_each_server_without_a_wrong_answer() -> None:
    report = asyncio.run(run_restarts(TIMES, containers=3, builds=1, seed=2))

    assert {outage.part for outage in report.outages} == PARTS
    assert len(report.outages) == TIMES * len(PARTS)
    assert report.verdict.wrong == []
