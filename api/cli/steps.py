"""How starting shows itself: each step with what it found and the time it took, on stderr."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager


class Step:
    """What stands in place of "done" may be said while it runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.says = "done"


@contextmanager
def step(name: str) -> Generator[Step]:
    """One line when it is over: steps run side by side, so none is left half written."""
    began = time.monotonic()
    running = Step(name)
    try:
        yield running
    except Exception:
        say(f"==> {name} failed after {time.monotonic() - began:.1f} s")
        raise
    say(f"==> {name} ... {running.says} in {time.monotonic() - began:.1f} s")


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
