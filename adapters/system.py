"""The clock and the ids of this machine."""

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID


class SystemClock:
    """Implements `domain.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class TimeOrderedIds:
    """Implements `domain.ports.Ids` by UUIDv7 (RFC 9562, 5.7), which this Python does not make."""

    def new(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64
        return str(UUID(int=value | 0b10 << 62 | secrets.randbits(62)))
