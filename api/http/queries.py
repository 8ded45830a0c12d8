"""The query strings that several routes share, and the past: an aggregate as of then."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from api.http import errors as e
from api.http.call import Call
from domain.application.aggregates import Aggregate
from domain.event import OpaqueEvent, RecordedEvent
from domain.ports import EventStore
from projections.queries import MAX_PAGE, Slice

State = TypeVar("State")

STREAM_PAGE = 1_000
POSITION = re.compile(r"[0-9]{1,18}")

Position = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Cursor = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:=-]{1,200}$(?!\n)")]
Text = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,200}$(?!\n)")]
PageSize = Annotated[int, Meta(ge=1, le=MAX_PAGE)]


class OneQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """as_of: a position of the log, or a moment (RFC 3339).

    min_position: wait for the read model to get there.
    """

    as_of: str | None = None
    min_position: Position = 0


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """after: the `next` of the page before."""

    after: Cursor | None = None
    limit: PageSize = 50
    min_position: Position = 0

    @property
    def page(self) -> Slice:
        return Slice(after=self.after, limit=self.limit, min_position=self.min_position)


class AsOf(msgspec.Struct, Generic[State], frozen=True, kw_only=True):
    """An aggregate as it was. position, recorded_at: of the last event that is in it;
    version: of its stream then."""

    position: int
    recorded_at: datetime
    version: int
    state: State


async def state_as_of(
    call: Call[OneQuery, Any], aggregate: Aggregate, identifier: str, as_of: str
) -> AsOf[Any]:
    until = await _moment(call, as_of)
    state, last = None, None
    async for recorded in stream_of(call.parts.store, call.tenant, aggregate.stream(identifier)):
        if _is_after(recorded, until):
            if last is None:
                raise _not_yet(f"{aggregate.prefix} {identifier}", recorded)
            break
        state, last = fold(aggregate, state, recorded), recorded
    if last is None:
        raise unknown(aggregate, identifier)
    return AsOf(
        position=last.position, recorded_at=last.recorded_at, version=last.version, state=state
    )


async def stream_of(
    store: EventStore,
    tenant: str,
    stream: str,
    *,
    after_version: int = 0,
    at_once: int = STREAM_PAGE,
) -> AsyncIterator[RecordedEvent]:
    """All events of a stream, read so many at once."""
    while page := await store.read_stream(
        tenant, stream, after_version=after_version, limit=at_once
    ):
        for recorded in page:
            yield recorded
        after_version = page[-1].version


def fold(aggregate: Aggregate, state: Any, recorded: RecordedEvent) -> Any:
    """What this program cannot read changes nothing."""
    event = recorded.event
    return state if isinstance(event, OpaqueEvent) else aggregate.evolve(state, event)


async def _moment(call: Call[OneQuery, Any], as_of: str) -> int | datetime:
    if POSITION.fullmatch(as_of):
        position = int(as_of)
        check_reached(position, (await call.parts.store.head()).position)
        return position
    try:
        moment = msgspec.convert(as_of.replace(" ", "+"), datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise e.Rejected(
            e.ILLEGAL_VALUE,
            "as_of is a position, or a time with its zone like 2026-01-31T12:00:00Z.",
            path="$.as_of",
        )
    if moment > call.parts.clock.now():
        raise e.Rejected(e.FUTURE_POSITION, f"{as_of} is still to come.")
    return moment


def check_reached(position: int, end: int) -> None:
    if position > end:
        raise e.Rejected(
            e.FUTURE_POSITION, f"The log has not reached position {position} yet: it ends at {end}."
        )


def _not_yet(what: str, first: RecordedEvent) -> e.Rejected:
    begin = f"it begins at position {first.position}, at {first.recorded_at.isoformat()}"
    return e.Rejected(e.UNKNOWN_ID, f"There was no {what} yet: {begin}.")


def unknown(aggregate: Aggregate, identifier: str) -> e.Rejected:
    return e.Rejected(
        e.UNKNOWN_ID, f"There is no {aggregate.prefix} {identifier}. List what exists."
    )


def _is_after(recorded: RecordedEvent, until: int | datetime) -> bool:
    if isinstance(until, int):
        return recorded.position > until
    return recorded.recorded_at > until
