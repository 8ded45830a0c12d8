"""A connection that cannot be had now is tried again, and nobody else's work ends for it."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from structlog.testing import capture_logs

from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.read_models import Follower
from projections.model import ReadModel
from tests.integration.projections.support import NAMES, appends, leaders, run, until, until_at
from tests.support.postgres import Database
from tests.support.read_models import a_log, a_projector

POSITIONS = "SELECT DISTINCT position FROM read_models.projections"


@contextmanager
def full(database: Database) -> Generator[psycopg.Connection]:
    """Has no connection left for the service."""
    with database.as_owner() as owner:
        name = Identifier(owner.info.dbname)
        owner.execute(SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(name))
        try:
            yield owner
        finally:
            owner.execute(SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(name))


def test_leaders_go_on_while_the_server_is_full(database: Database) -> None:
    async def body() -> None:
        url = database.service_url
        async with a_log(url) as (store, tail), a_projector(url, tail):
            await until_at(url, 0)
            first, second = appends(2)
            await store.append(first)
            await until_at(url, 1)
            before = leaders(database)
            with full(database) as owner, capture_logs() as logs:
                await until(lambda: any(entry["log_level"] == "warning" for entry in logs))
                await store.append(second)
                await until(lambda: owner.execute(POSITIONS).fetchall() == [(2,)])
            assert leaders(database) == before

    run(body)


def test_a_version_that_cannot_be_led_is_tried_again_and_ends_no_other_leader(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = Follower.lead
    refusals = 0
    may_be_led = asyncio.Event()

    async def lead_but_audit(url: str, model: ReadModel[Any], version: int) -> Follower | None:
        nonlocal refusals
        if model.name == "audit" and not may_be_led.is_set():
            refusals += 1
            raise psycopg.OperationalError("sorry, too many clients already")
        return await lead(url, model, version)

    monkeypatch.setattr(Follower, "lead", lead_but_audit)

    async def body() -> None:
        url = database.service_url
        await ProjectionRegistry(url).ensure()
        async with a_log(url) as (store, tail), a_projector(url, tail):
            for each in appends(3):
                await store.append(each)
            await until_at(url, 3, [name for name in NAMES if name != "audit"])
            before = leaders(database)
            enough = refusals + 2
            await until(lambda: refusals >= enough)
            assert leaders(database) == before
            may_be_led.set()
            await until_at(url, 3)

    run(body)
