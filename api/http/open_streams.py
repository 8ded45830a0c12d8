"""How many answers that last each key has open: WebSockets, logs and downloads together."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from api.http import errors as e

SEND_SECONDS = 30.0
"""Whoever takes nothing for so long is dropped."""


class OpenStreams:
    """Each holds a connection, a descriptor and a task for as long as its client likes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = Counter[str]()

    @contextmanager
    def admit(self, key_id: str) -> Generator[None]:
        """Raises Rejected: too many requests."""
        if self._open[key_id] >= self._limit:
            raise e.Rejected(
                e.TOO_MANY_REQUESTS, f"This key has {self._limit} streams open. Close one."
            )
        self._open[key_id] += 1
        try:
            yield
        finally:
            self._open[key_id] -= 1
            self._open += Counter()  # forgets whoever has none
