"""Output that nobody reads any more: `eulermaker build log BUILD | head` is no failure."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def until_unread() -> Generator[None]:
    """What is inside ends once its reader has seen enough; an outcome is told outside of it."""
    try:
        yield
    except BrokenPipeError:
        discard(sys.stdout, sys.stderr)


def discard(*streams: TextIO) -> None:
    """Also what is in their buffers, which Python would fail to write when it ends."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - also within a signal handler
        for stream in streams:
            os.dup2(nowhere.fileno(), stream.fileno())
