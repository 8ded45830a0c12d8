"""The clock and the ids of this machine."""

import os
import time
from datetime import UTC, datetime

RANDOM = 0xFFF << 64 | (1 << 62) - 1


class SystemClock:
    """Implements `domain.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class TimeOrderedIds:
    """Implements `domain.ports.Ids` by UUIDv7 (RFC 9562, 5.7), which this Python does not make."""

    def new(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        value = milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | _random_bits()
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _random_bits() -> int:
    """Where version and variant leave room for them."""
    return int.from_bytes(os.urandom(10)) & RANDOM
