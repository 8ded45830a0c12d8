"""Event statistics: how many events of each type were recorded in each hour."""

from datetime import datetime

import msgspec


class EventCount(msgspec.Struct, frozen=True, kw_only=True):
    """hour: its beginning, in UTC, of the time of recording."""

    tenant: str
    hour: datetime
    type: str
    count: int
    position: int
