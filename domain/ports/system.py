"""Time and names."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class Ids(Protocol):
    def new(self) -> str:
        """A new identifier that sorts by time (UUIDv7)."""
        ...
