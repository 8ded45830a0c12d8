"""A server's processes as the kernel sees them, and starters that can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

DEADLINE_SECONDS = 60
ROOT = Path(__file__).parents[3]

STARTER = """
import sys
from pathlib import Path
import adapters.embedded
server = getattr(adapters.embedded, sys.argv[1])(Path(sys.argv[2]))
print("waiting", flush=True)
sys.stdin.readline()
print(server.start(), flush=True)
sys.stdin.read()
"""


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not claim():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


@contextmanager
def starter(server: str, data_dir: Path) -> Generator[subprocess.Popen[str]]:
    """A process that starts the server when it reads a line, and holds it until it is ended."""
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", STARTER, server, str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        try:
            yield process
        finally:
            process.kill()


def let_start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def processes_with(argument: str) -> set[int]:
    """The processes started with this argument: of a server, and what it has just forked."""
    return {
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if argument.encode() in _arguments(entry)
    }


def _arguments(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def family(pid: int) -> set[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {pid, *(member for child in children for member in family(int(child)))}


def kill(pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # its parent's end may have ended it
            os.kill(pid, signal.SIGKILL)
