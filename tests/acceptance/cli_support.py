"""A whole service as a user starts it, and the command line as a user types it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 120.0
SERVERS = ("DATABASE_URL", "REDIS_URL")  # embedded ones are what is tested here
Result = subprocess.CompletedProcess[str]


class Started:
    """The service of one data directory, and its command line."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir
        self.port = port
        self.said = data_dir.with_name(data_dir.name + ".said")

    def run(self, *arguments: str | Path, stdin: str = "") -> Result:
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "api.cli.main", *arguments],
            cwd=ROOT,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def open(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "api.cli.main", *arguments],
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str | Path) -> Any:
        result = self.run(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def start(self) -> subprocess.Popen[str]:
        with self.said.open("a") as said:
            return subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "api.cli.main", "up", "--port", str(self.port)],
                cwd=ROOT,
                env=self.environment(),
                stdout=said,
                stderr=said,
                text=True,
                process_group=0,
            )

    def environment(self) -> dict[str, str]:
        ours = {name: text for name, text in os.environ.items() if name not in SERVERS}
        return ours | {"EULERMAKER_DATA_DIR": str(self.data_dir)}

    def roles(self) -> dict[str, int]:
        """Process ids of the roles, by name."""
        found: dict[str, int] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                ours = os.fsencode(f"EULERMAKER_DATA_DIR={self.data_dir}")
                if b"--supervised" in arguments and ours in (entry / "environ").read_bytes().split(
                    b"\0"
                ):
                    found[arguments[3].decode()] = int(entry.name)
            except OSError:
                continue
        return found


@contextmanager
def a_service() -> Generator[Started]:
    """Running inside; stopped as a user stops it."""
    # Not tmp_path: its parent is closed, so root's servers could not enter.
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        Path(directory).chmod(0o755)  # their account is not ours
        started = Started(Path(directory, "data"), free_port())
        process = started.start()
        try:
            wait_for_words(started, process, "Ctrl-C stops the service")
            yield started
        finally:
            stop(process)


def wait_for_words(started: Started, process: subprocess.Popen[str], words: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while words not in started.said.read_text():
        assert process.poll() is None, started.said.read_text()
        assert time.monotonic() < deadline, started.said.read_text()
        time.sleep(0.05)


def stop(process: subprocess.Popen[str]) -> int:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    try:
        return process.wait(DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
