"""SIGTERM ends a bench as Ctrl-C does: with the servers that it started."""

import signal
import sys
from types import FrameType
from typing import NoReturn


def end_at_sigterm() -> None:
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    sys.exit(128 + number)
