"""One-time tickets, for browsers: they cannot send a header when they open a WebSocket."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from api.http.auth import sha256_hex
from api.http.call import Answered, Call
from api.http.decoding import Nothing

TICKET_SECONDS = 30
MAX_TICKETS = 100_000


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Good once, until then, for the key that asked."""

    ticket: str
    expires_at: datetime


async def create_ticket(call: Call[Nothing, Nothing]) -> Answered[Ticket]:
    ticket = secrets.token_hex(32)
    expires_at = call.parts.clock.now() + timedelta(seconds=TICKET_SECONDS)
    await call.parts.tickets.put(sha256_hex(ticket), call.principal.key_id, seconds=TICKET_SECONDS)
    return Answered(body=Ticket(ticket=ticket, expires_at=expires_at), status=201)


class InMemoryTickets:
    """Of one process: enough where one process serves, or where a balancer keeps clients to one."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._tickets: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def put(self, ticket_sha256: str, key_id: str, *, seconds: int) -> None:
        self._tickets[ticket_sha256] = (self._seconds() + seconds, key_id)
        if len(self._tickets) > MAX_TICKETS:
            self._tickets.popitem(last=False)

    async def take(self, ticket_sha256: str) -> str | None:
        expires, key_id = self._tickets.pop(ticket_sha256, (0.0, ""))
        return key_id if expires > self._seconds() else None
