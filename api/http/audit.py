"""Who did what, when, from where, and what became of it; and how many events there were."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, structs

from api.http.call import Answered, Call
from api.http.decoding import Nothing
from api.http.queries import PageQuery, Position, Text
from projections.answer import Answer, Page
from projections.audit import AuditRow, Outcome
from projections.queries import AuditFilter
from projections.statistics import EventCount

Moment = Annotated[datetime, Meta(tz=True)]


class AuditQuery(PageQuery, frozen=True, kw_only=True):
    """since (inclusive), until (exclusive): by the time of recording."""

    actor: Text | None = None
    target: Text | None = None
    command: Text | None = None
    outcome: Outcome | None = None
    since: Moment | None = None
    until: Moment | None = None


class StatisticsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    since: Moment | None = None
    until: Moment | None = None
    min_position: Position = 0


class AuditView(AuditRow, frozen=True, kw_only=True):
    """actor_label: what the actor is called now; not part of the record."""

    actor_label: str = ""


async def list_audit(call: Call[AuditQuery, Nothing]) -> Answered[Page[AuditView]]:
    query = call.query
    wanted = AuditFilter(
        actor=query.actor,
        target=query.target,
        command=query.command,
        outcome=query.outcome,
        since=query.since,
        until=query.until,
    )
    rows = await call.parts.queries.list_audit(call.tenant, wanted=wanted, page=query.page)
    labels = await call.parts.identities.labels(call.tenant, {row.actor for row in rows.items})
    body = Page(
        projection=rows.projection,
        version=rows.version,
        position=rows.position,
        items=tuple(_view(row, labels) for row in rows.items),
        next=rows.next,
    )
    return Answered(body=body)


def _view(row: AuditRow, labels: Mapping[str, str]) -> AuditView:
    return AuditView(**structs.asdict(row), actor_label=labels.get(row.actor, ""))


async def get_statistics(
    call: Call[StatisticsQuery, Nothing],
) -> Answered[Answer[tuple[EventCount, ...]]]:
    query = call.query
    counts = await call.parts.queries.event_statistics(
        call.tenant, since=query.since, until=query.until, min_position=query.min_position
    )
    return Answered(body=counts)
