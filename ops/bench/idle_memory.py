"""What the roles of `eulermaker up` take a minute after they have become idle."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ops.bench.report import Section
from ops.bench.service import STOP_SECONDS, free_port

TO_REACH_MEBIBYTES = 150
READY_SECONDS = 180.0
MEBIBYTE = 1024 * 1024
KIBIBYTE = 1024


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """In bytes. proportional: pages shared with others count in part."""

    name: str
    resident: int
    proportional: int


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    idle_seconds = 3.0 if quick else 60.0
    with _up() as supervisor:
        time.sleep(idle_seconds)
        found = [_memory(pid, name) for pid, name in _processes(supervisor)]
    largest = max(each.resident for each in found)
    return Section(
        title="idle memory of each role of `eulermaker up`",
        to_reach=f"under {TO_REACH_MEBIBYTES} MiB each",
        reached=largest < TO_REACH_MEBIBYTES * MEBIBYTE,
        lines=(
            *(
                f"- {each.name}: {each.resident / MEBIBYTE:.0f} MiB resident,"
                f" {each.proportional / MEBIBYTE:.0f} MiB proportional"
                for each in found
            ),
            f"- after {idle_seconds:.0f} s without a request",
        ),
    )


@contextmanager
def _up() -> Generator[int]:
    """The process id of the supervisor of a whole service."""
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        command = (sys.executable, "-m", "api.cli.main", "up", "--data-dir", directory)
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "REDIS_URL"}
        }
        with Path(directory, "up.log").open("w+b") as log:
            process = subprocess.Popen(  # noqa: S603 - our own program
                (*command, "--port", str(free_port())), stdout=log, stderr=log, env=environment
            )
            try:
                _wait_until_ready(Path(directory, "up.log"), process)
                yield process.pid
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(3 * STOP_SECONDS)


def _wait_until_ready(log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while "Ctrl-C" not in (text := log.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"The service did not start:\n{text}")
        time.sleep(0.1)


def _processes(supervisor: int) -> Iterator[tuple[int, str]]:
    yield supervisor, "up (the supervisor)"
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(entry) == supervisor:
            words = (entry / "cmdline").read_text().split("\0")
            if "api.cli.main" in words:
                yield int(entry.name), words[words.index("api.cli.main") + 1]


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _memory(pid: int, name: str) -> Memory:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)
    kibibytes = {key: int(size) for key, size in found}
    return Memory(
        name=name,
        resident=kibibytes["Rss"] * KIBIBYTE,
        proportional=kibibytes["Pss"] * KIBIBYTE,
    )
