"""The log itself: pages of events, the history and replay of one aggregate, checkpoints."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.http.auth import Principal
from api.http.call import Answered, Call
from api.http.decoding import Nothing
from api.http.event_filter import EventFilter, known_types, possible_stream
from api.http.event_views import EventView, HistoryView, history_view, view
from api.http.pages import Items
from api.http.queries import PageSize, Position, Text, check_reached, fold, stream_of, unknown
from domain.access.roles import Permission, permits
from domain.application.aggregates import BUILDS, CONTAINERS, Aggregate
from domain.event import RecordedEvent

MAX_SCANNED = 10_000
SCAN_PAGE = 1_000

_ENCODE = msgspec.json.Encoder().encode


class EventsQuery(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}
):
    """from: the last position that is known already. types: names, separated by commas.

    limit: of one page. ticket: for WebSockets, instead of a key.
    """

    start: Position | None = None
    types: Text | None = None
    stream: Text | None = None
    actor: Text | None = None
    limit: PageSize = 100
    ticket: Text | None = None

    def filter(self, principal: Principal) -> EventFilter:
        """Raises Rejected where no event could ever match: nobody is to wait for a typo."""
        return EventFilter(
            tenant=principal.tenant,
            types=known_types(self.types or ""),
            stream=None if self.stream is None else possible_stream(self.stream),
            actor=self.actor,
            audit=permits(principal.role, Permission.READ_AUDIT),
        )


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """next: the `from` of the following page, None at the end of the log.

    position: the log was read up to here.
    """

    items: tuple[EventView, ...]
    position: int
    next: int | None


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    after_version: Position = 0
    limit: PageSize = 100


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """next: the `after_version` of the following page, None at the end."""

    items: tuple[HistoryView, ...]
    position: int
    next: int | None


class ReplayStep(msgspec.Struct, frozen=True, kw_only=True):
    """state: of the aggregate right after this event."""

    version: int
    position: int
    recorded_at: datetime
    type: str
    state: Any


class ReplayPage(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[ReplayStep, ...]
    position: int
    next: int | None


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the log and the chain hash there: keep it elsewhere, `verify` compares with it."""

    position: int
    chain: Annotated[str, Meta(description="64 hexadecimal digits")]


async def page_of_events(call: Call[EventsQuery, Nothing]) -> Answered[EventPage]:
    wanted = call.query.filter(call.principal)
    found = Items[EventView](call.query.limit)
    position, end = call.query.start or 0, (await call.parts.store.head()).position
    check_reached(position, end)
    last = min(end, position + MAX_SCANNED)
    while position < last and not found.are_enough():
        page = await call.parts.store.read_log(position, limit=SCAN_PAGE, tenant=call.tenant)
        if not page:
            position = last
        for recorded in page:
            position = recorded.position
            if wanted.matches(recorded):
                item = view(recorded)
                found.add(item, len(item.data))
            if found.are_enough():
                break
    more = position < end
    return Answered(
        body=EventPage(items=found.all(), position=position, next=position if more else None)
    )


async def get_build_history(call: Call[HistoryQuery, Nothing]) -> Answered[HistoryPage]:
    return await _history(call, BUILDS, call.path("build_id"))


async def get_container_history(call: Call[HistoryQuery, Nothing]) -> Answered[HistoryPage]:
    return await _history(call, CONTAINERS, call.path("container_id"))


async def replay_build(call: Call[HistoryQuery, Nothing]) -> Answered[ReplayPage]:
    return await _replay(call, BUILDS, call.path("build_id"))


async def replay_container(call: Call[HistoryQuery, Nothing]) -> Answered[ReplayPage]:
    return await _replay(call, CONTAINERS, call.path("container_id"))


async def get_checkpoint(call: Call[Nothing, Nothing]) -> Answered[Checkpoint]:
    head = await call.parts.store.head()
    return Answered(body=Checkpoint(position=head.position, chain=head.chain.hex()))


async def _history(
    call: Call[HistoryQuery, Nothing], aggregate: Aggregate, identifier: str
) -> Answered[HistoryPage]:
    stream, after = aggregate.stream(identifier), call.query.after_version
    position, version, following = 0, 0, None
    items = Items[HistoryView](call.query.limit)
    async for recorded in stream_of(
        call.parts.store, call.tenant, stream, after_version=after, at_once=call.query.limit + 1
    ):
        if items.are_enough():
            following = version
            break
        position, version = recorded.position, recorded.version
        item = history_view(recorded)
        items.add(item, len(item.data) + len(item.raw))
    if not version and not await call.parts.store.read_stream(call.tenant, stream, limit=1):
        raise unknown(aggregate, identifier)
    return Answered(body=HistoryPage(items=items.all(), position=position, next=following))


async def _replay(
    call: Call[HistoryQuery, Nothing], aggregate: Aggregate, identifier: str
) -> Answered[ReplayPage]:
    state, position, version, following = None, 0, 0, None
    steps = Items[ReplayStep](call.query.limit)
    async for recorded in stream_of(call.parts.store, call.tenant, aggregate.stream(identifier)):
        if steps.are_enough():
            following = version
            break
        state, version = fold(aggregate, state, recorded), recorded.version
        if version > call.query.after_version:
            position = recorded.position
            encoded = msgspec.Raw(_ENCODE(state))  # now: it says how large it is
            steps.add(_step(recorded, encoded), len(encoded))
    if not version:
        raise unknown(aggregate, identifier)
    return Answered(body=ReplayPage(items=steps.all(), position=position, next=following))


def _step(recorded: RecordedEvent, state: msgspec.Raw) -> ReplayStep:
    return ReplayStep(
        version=recorded.version,
        position=recorded.position,
        recorded_at=recorded.recorded_at,
        type=recorded.type,
        state=state,
    )
