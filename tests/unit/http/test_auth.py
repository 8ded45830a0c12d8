import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from adapters.memory.event_store import InMemoryEventStore
from api.http.auth import AuthenticationError, KeyRing, new_key
from api.http.tickets import InMemoryTickets
from domain.access.commands import CreateKey, RevokeKey
from domain.access.roles import Role
from domain.application.command_handler import CommandHandler
from domain.event import Command, CommandContext
from projections.queries import Queries

KEY = new_key("some-key")


class SetClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


class NoKeys:
    async def find_key(self, _: str) -> None:
        return None


class Door:
    def __init__(self) -> None:
        self.handler = CommandHandler(InMemoryEventStore())
        self.clock = SetClock()
        self.ring = KeyRing(self.handler, cast("Queries", NoKeys()), self.clock)

    async def command(self, command: Command) -> None:
        context = CommandContext(
            command_id=type(command).__name__,
            correlation_id="c",
            actor="system:test",
            occurred_at=self.clock.now(),
        )
        await self.handler.handle(command, context)

    async def create(self) -> None:
        await self.command(
            CreateKey(key_id="some-key", role=Role.VIEWER, secret_sha256=KEY.secret_sha256)
        )


def test_a_key_has_256_random_bits_and_only_its_digest_is_kept() -> None:
    secret = KEY.token.removeprefix("em_some-key_")
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in KEY.secret_sha256
    assert new_key("some-key") != KEY


def test_a_key_is_believed_for_a_second() -> None:
    async def story() -> None:
        door = Door()
        await door.create()
        principal = await door.ring.authenticate(KEY.token)
        assert (principal.role, principal.actor) == (Role.VIEWER, "key:some-key")
        assert door.ring.believed(KEY.token) == principal
        door.clock.moment += timedelta(seconds=1.1)
        assert door.ring.believed(KEY.token) is None

    asyncio.run(story())


def test_one_asks_about_a_key_again_while_others_still_believe_it() -> None:
    async def story() -> None:
        door = Door()
        await door.create()
        principal = await door.ring.authenticate(KEY.token)
        door.clock.moment += timedelta(seconds=0.6)
        assert door.ring.believed(KEY.token) is None
        assert door.ring.believed(KEY.token) == principal
        await door.ring.authenticate(KEY.token)
        door.clock.moment += timedelta(seconds=0.45)
        assert door.ring.believed(KEY.token) == principal

    asyncio.run(story())


def test_a_key_that_the_log_revokes_is_no_longer_believed() -> None:
    async def story() -> None:
        door = Door()
        await door.create()
        principal = await door.ring.authenticate(KEY.token)
        door.ring.revoke("some-key")
        assert door.ring.believed(KEY.token) is None
        with pytest.raises(AuthenticationError, match="revoked"):
            await door.ring.recheck(principal)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "malformed"),
        ("em_some-key_", "malformed"),
        (new_key("other-key").token, "unknown"),
        (new_key("some-key").token, "wrong-secret"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(token: str, reason: str) -> None:
    async def story() -> None:
        door = Door()
        await door.create()
        with pytest.raises(AuthenticationError, match=reason):
            await door.ring.authenticate(token)
        assert door.ring.believed(token) is None

    asyncio.run(story())


def test_a_revoked_key_is_refused_even_where_nobody_told_us() -> None:
    async def story() -> None:
        door = Door()
        await door.create()
        await door.command(RevokeKey(key_id="some-key"))
        with pytest.raises(AuthenticationError, match="revoked"):
            await door.ring.authenticate(KEY.token)

    asyncio.run(story())


def test_a_ticket_is_good_once_and_not_for_long() -> None:
    async def story() -> None:
        now = 0.0
        tickets = InMemoryTickets(lambda: now)
        await tickets.put("a", "some-key", seconds=30)
        await tickets.put("b", "some-key", seconds=30)
        assert [await tickets.take("a"), await tickets.take("a")] == ["some-key", None]
        now = 31.0
        assert await tickets.take("b") is None

    asyncio.run(story())
