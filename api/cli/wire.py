"""Answers of the service as far as the command line uses them; what it does not know it ignores.

Rows of read models have their types in `projections`; these are the others.
"""

from datetime import datetime

import msgspec


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """position: for min_position, so that the next question sees what this command did."""

    id: str
    position: int
    version: int


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    stream: str
    version: int
    type: str
    recorded_at: datetime
    actor: str
    data: msgspec.Raw


class BlobStat(msgspec.Struct, frozen=True, kw_only=True):
    digest: str
    size: int
