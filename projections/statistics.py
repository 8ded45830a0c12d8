"""Event statistics: how many events of each type were recorded in each hour."""

from datetime import datetime

import msgspec

from domain.event import RecordedEvent
from projections.model import Key, ReadModel
from projections.sql import blocks


class EventCount(msgspec.Struct, frozen=True, kw_only=True):
    """hour: its beginning, in UTC, of the time of recording. position: of the last one counted."""

    tenant: str
    hour: datetime
    type: str
    count: int
    position: int


def project(row: EventCount | None, recorded: RecordedEvent) -> EventCount:
    if row is not None:
        return msgspec.structs.replace(row, count=row.count + 1, position=recorded.position)
    return EventCount(
        tenant=recorded.tenant,
        hour=_hour(recorded.recorded_at),
        type=recorded.type,
        count=1,
        position=recorded.position,
    )


def key_of(recorded: RecordedEvent) -> Key:
    return recorded.tenant, _hour(recorded.recorded_at), recorded.type


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


STATISTICS = ReadModel(
    name="statistics",
    code_version=1,
    row=EventCount,
    key=("tenant", "hour", "type"),
    key_of=key_of,
    project=project,
    sql=blocks("statistics.sql"),
)
