"""One request as a handler sees it: who, what, decoded; and the answers that it gives back."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

import msgspec
from aiohttp import web

from api.http import errors as e
from api.http.app_keys import KEY_RING
from api.http.auth import Principal
from api.http.parts import HttpParts
from domain.errors import ConcurrencyConflict, Refusal
from domain.event import Command, CommandContext, Receipt

Query = TypeVar("Query")
Body = TypeVar("Body")
Result = TypeVar("Result")

COMMAND_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
ENTITY_TAG = re.compile(r'"(?P<version>[0-9]{1,18})"')
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A command's receipt. id: of the aggregate; version: of its stream, for If-Match.

    position: of the last event it recorded, for min_position; 0 when there was nothing to record.
    replayed: this very command was answered before.
    """

    id: str
    command_id: str
    status: str
    stream: str
    version: int
    first_position: int
    position: int
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Answered(Generic[Result]):
    body: Result
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(kw_only=True)
class Call(Generic[Query, Body]):
    request: web.Request
    parts: HttpParts
    principal: Principal
    correlation_id: str
    address: str
    query: Query
    body: Body

    @property
    def tenant(self) -> str:
        return self.principal.tenant

    def path(self, name: str) -> str:
        value = self.request.match_info[name]
        if not IDENTIFIER.fullmatch(value):
            raise e.Rejected(
                e.UNKNOWN_ID, f"There is no {name.removesuffix('_id')} {value!r}. List what exists."
            )
        return value

    @cached_property
    def command_id(self) -> str:
        """The Idempotency-Key, else a new one."""
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return self.parts.ids.new()
        if not COMMAND_ID.fullmatch(key):
            raise e.Rejected(
                e.ILLEGAL_HEADER, "An Idempotency-Key has 8 to 64 of A-Z, a-z, 0-9, _ and -."
            )
        return key

    @property
    def may_be_repeated(self) -> bool:
        """Else its command id is new, and there is nothing yet that it could have created."""
        return "Idempotency-Key" in self.request.headers

    @property
    def expected_version(self) -> int | None:
        """The version that If-Match names; None when any will do."""
        tag = self.request.headers.get("If-Match")
        if tag is None or tag.strip() == "*":
            return None
        match = ENTITY_TAG.fullmatch(tag.strip())
        if match is None:
            raise e.Rejected(e.ILLEGAL_HEADER, 'If-Match is the ETag of an answer, like "7".')
        return int(match["version"])

    def derived_id(self) -> str:
        """The id of what this request creates: a repeated request names the same aggregate."""
        digest = hashlib.sha256(f"{self.tenant}\0{self.command_id}".encode()).hexdigest()
        return uuid_of_ours(digest)

    def context(self) -> CommandContext:
        traceparent = self.request.headers.get("traceparent", "")
        return CommandContext(
            command_id=self.command_id,
            correlation_id=self.correlation_id,
            actor=self.principal.actor,
            occurred_at=self.parts.clock.now(),
            tenant=self.tenant,
            source_address=self.address,
            traceparent=traceparent if TRACEPARENT.fullmatch(traceparent) else None,
        )

    async def recheck(self) -> None:
        """Whether the key still counts. Raises AuthenticationError."""
        await self.request.app[KEY_RING].recheck(self.principal)

    async def handle(self, command: Command) -> Receipt:
        """Raises what CommandHandler.handle does; a version named by If-Match is checked."""
        expected = self.expected_version
        try:
            return await self.parts.handler.handle(
                command, self.context(), expected_version=expected
            )
        except ConcurrencyConflict as conflict:
            if expected is None:
                raise
            raise e.Rejected(e.STALE_VERSION, str(conflict)) from conflict

    async def refuse(
        self, command: Command, refusal: Refusal, identifier: str, location: str
    ) -> Answered[Accepted]:
        """Raises the refusal, unless this very command was accepted before."""
        receipt = await self.parts.handler.refuse(command, self.context(), refusal)
        return accepted(receipt, identifier, location)

    async def accept(self, command: Command, identifier: str, location: str) -> Answered[Accepted]:
        return accepted(await self.handle(command), identifier, location)


def accepted(receipt: Receipt, identifier: str, location: str) -> Answered[Accepted]:
    body = Accepted(
        id=identifier,
        command_id=receipt.command_id,
        status=receipt.status,
        stream=receipt.stream,
        version=receipt.version,
        first_position=receipt.first_position,
        position=receipt.last_position,
        replayed=receipt.replayed,
    )
    headers = {"Location": location, "ETag": entity_tag(receipt.version)}
    return Answered(body=body, status=202, headers=headers)


def uuid_of_ours(digest: str) -> str:
    """A UUID of version 8, made by a rule of our own: the beginning of a digest in hexadecimal."""
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def entity_tag(version: int) -> str:
    return f'"{version}"'
