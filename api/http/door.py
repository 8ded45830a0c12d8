"""Who comes in: rate limits, keys, tickets, permissions; everybody turned away is recorded.

Default deny: a route answers only whoever its permission names.
"""

from ipaddress import IPv6Network, ip_address

from aiohttp import web

from api.http import errors as e
from api.http.app_keys import KEY_RING, PARTS
from api.http.auth import TOKEN, AuthenticationError, Principal, sha256_hex
from api.http.metrics import HttpMetrics
from api.http.parts import HttpParts
from api.http.route import PUBLIC, Route
from api.http.tickets import TICKET_SECONDS
from api.redaction import redact
from domain.access.commands import RecordAuthenticationFailure, RecordPermissionDenial
from domain.access.roles import Permission, Role, permits
from domain.event import DEFAULT_TENANT, Command, CommandContext

BEARER = "bearer "
MAX_PATH = 200
NO_KEY = "Send Authorization: Bearer with a key that is valid."
TICKET_IS_GONE = (
    f"A ticket opens one connection, within {TICKET_SECONDS} s. Get another one: POST /v1/tickets."
)
NOBODY = Principal(tenant=DEFAULT_TENANT, key_id="", role=Role.VIEWER)
"""For public routes, which ask for nothing that depends on who asks."""


class Visitor:
    """One request at the door."""

    def __init__(self, request: web.Request, address: str, correlation_id: str) -> None:
        self._request = request
        self._parts: HttpParts = request.app[PARTS]
        self._address = address
        self._correlation_id = correlation_id

    async def enter(self, route: Route, metrics: HttpMetrics) -> Principal:
        """Raises Rejected: unauthenticated, forbidden, too many requests."""
        if route.permission is PUBLIC:
            await self._limit_address()
            return NOBODY
        try:
            principal = await self._identify(accept_ticket=route.ticket)
        except AuthenticationError as error:
            metrics.denied.labels(error.reason).inc()
            await self._record_failure(error)
            raise e.Rejected(
                e.UNAUTHENTICATED, TICKET_IS_GONE if error.reason == "ticket" else NO_KEY
            ) from error
        limits = self._parts.settings.access
        await self._take(f"key:{principal.key_id}", limits.requests_per_second_and_key)
        if not permits(principal.role, route.permission):
            metrics.denied.labels("forbidden").inc()
            await self._record_denial(principal, route.permission)
            raise e.Rejected(
                e.FORBIDDEN,
                f"The role {principal.role} lacks {route.permission}, which"
                f" {_roles_with(route.permission)}. Use a key of such a role.",
                permission=route.permission.value,
            )
        return principal

    async def _identify(self, *, accept_ticket: bool) -> Principal:
        """Whoever is not known from the last second counts against the address first."""
        ring = self._request.app[KEY_RING]
        header = self._request.headers.get("Authorization", "")
        ticket = self._request.query.get("ticket") if accept_ticket else None
        if header[: len(BEARER)].lower() == BEARER:
            token = header[len(BEARER) :].strip()
            known = ring.believed(token)
            if known is not None:
                return known
            await self._limit_address()
            return await ring.authenticate(token)
        await self._limit_address()
        if ticket is None:
            raise AuthenticationError("missing" if not header else "malformed")
        key_id = await self._parts.tickets.take(sha256_hex(ticket))
        if key_id is None:
            raise AuthenticationError("ticket")
        return await ring.get(key_id)

    async def _limit_address(self) -> None:
        limit = self._parts.settings.access.requests_per_second_and_address
        await self._take(f"address:{network(self._address)}", limit)

    async def _take(self, key: str, limit: int) -> None:
        wait = await self._parts.rate_limits.take(key, limit=limit, per_seconds=1.0)
        if wait > 0:
            rejected = e.Rejected(
                e.TOO_MANY_REQUESTS, f"At most {limit} requests a second are answered. Slow down."
            )
            rejected.retry_after = wait
            raise rejected

    async def _record_failure(self, error: AuthenticationError) -> None:
        """Bounded by where it came from, and in all: addresses are cheap."""
        limits = self._parts.settings.access
        if not await self._may_record(network(self._address), limits.recorded_failures_per_minute):
            return
        if not await self._may_record("all", limits.recorded_failures_per_minute_in_all):
            return
        known_form = TOKEN.fullmatch(f"em_{error.key_id}_{'0' * 64}")
        attempt_id = self._parts.ids.new()
        command = RecordAuthenticationFailure(
            attempt_id=attempt_id,
            key_id=error.key_id if known_form else "",
            reason=error.reason,
            method=self._request.method,
            path=redact(self._request.path)[:MAX_PATH],
        )
        await self._record(command, attempt_id, "anonymous", DEFAULT_TENANT)

    async def _record_denial(self, principal: Principal, permission: Permission) -> None:
        """Bounded by key, so that no stranger can use it up."""
        limit = self._parts.settings.access.recorded_failures_per_minute
        if not await self._may_record(principal.actor, limit):
            return
        attempt_id = self._parts.ids.new()
        command = RecordPermissionDenial(
            attempt_id=attempt_id,
            role=principal.role,
            permission=permission.value,
            method=self._request.method,
            path=redact(self._request.path)[:MAX_PATH],
        )
        await self._record(command, attempt_id, principal.actor, principal.tenant)

    async def _may_record(self, whose: str, limit: int) -> bool:
        """So many a minute: the log is no place for a flood."""
        key = f"refusals:{whose}"
        return await self._parts.rate_limits.take(key, limit=limit, per_seconds=60.0) <= 0

    async def _record(self, command: Command, attempt_id: str, actor: str, tenant: str) -> None:
        context = CommandContext(
            command_id=attempt_id,
            correlation_id=self._correlation_id,
            actor=actor,
            occurred_at=self._parts.clock.now(),
            tenant=tenant,
            source_address=self._address,
        )
        await self._parts.handler.handle(command, context)


def _roles_with(permission: Permission) -> str:
    roles = [role.value for role in Role if permits(role, permission)]
    return f"{', '.join(roles)} {'has' if len(roles) == 1 else 'have'}"


def network(address: str) -> str:
    """What limits count as one: a single host may have all addresses of an IPv6 /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 - of the Internet Protocol
        return address
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed), 64), strict=False))
