"""The clock and the ids of this machine."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

RANDOM = 0xFFF << 64 | (1 << 62) - 1
"""Where version and variant leave room for random bits."""
RANDOM_BYTES = 10
DRAWN_AT_ONCE = 256


class SystemClock:
    """Implements `domain.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class TimeOrderedIds:
    """Implements `domain.ports.Ids` by UUIDv7 (RFC 9562, 5.7), which this Python does not make."""

    def __init__(self) -> None:
        self._random = _random_numbers()

    def new(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        value = milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | next(self._random) & RANDOM
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _random_numbers() -> Iterator[int]:
    """Many are drawn at once, for each draw is a system call."""
    while True:
        drawn = os.urandom(RANDOM_BYTES * DRAWN_AT_ONCE)
        for start in range(0, len(drawn), RANDOM_BYTES):
            yield int.from_bytes(drawn[start : start + RANDOM_BYTES])
