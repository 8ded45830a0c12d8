"""`ops/up --demo --once` as a newcomer types it, on a data directory of its own, to its end.

The script readies what it finds: this checkout's `.venv`, so that no other may run these tests,
and the engine and the base image that the environment names, which it shares with everybody.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.acceptance.cli_support import ROOT, Started, stop
from tests.support.docker import sdk
from tests.support.ports import free_port

UP_SECONDS = 400.0  # about 60 on two idle processors
OTHER_ENVIRONMENT = Path(sys.prefix) != ROOT / ".venv"
IMAGE = re.compile(r"eulermaker/builds/hello-installed:\S+")
TIMELINE = re.compile(r"What happened, as it is recorded for ever:\n(.+?)\n\n", re.DOTALL)

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(OTHER_ENVIRONMENT, reason="ops/up would make an environment: .venv"),
]


class Demonstration(msgspec.Struct, frozen=True):
    service: Started
    status: int
    said: str

    @property
    def image(self) -> str:
        found = IMAGE.search(self.said)
        assert found, self.said
        return found[0]


def up(service: Started, *options: str) -> tuple[int, str]:
    """The exit status, and what the person sees."""
    process = subprocess.Popen(  # noqa: S603 - our own script
        [ROOT / "ops" / "up", "--port", str(service.port), *options],
        env=service.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    try:
        said, _ = process.communicate(timeout=UP_SECONDS)
    finally:
        stop(process)
    return process.returncode, said


@pytest.fixture(scope="module")
def demonstration() -> Iterator[Demonstration]:
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        Path(directory).chmod(0o755)  # the servers' account is not ours
        service = Started(Path(directory, "data"), free_port())
        status, said = up(service, "--demo", "--once")
        if "The sources cannot be had" in said:
            pytest.skip("GNU hello cannot be fetched from here")
        yield Demonstration(service, status, said)
        for image in set(IMAGE.findall(said)):
            sdk().remove_image(image, force=True)


def processes_of(directory: Path) -> list[str]:
    """The command lines of whatever works in a directory or was told of it."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            places = (command, str((entry / "cwd").readlink()))
        except OSError:
            continue  # it has just ended
        if any(str(directory) in place for place in places):
            found.append(command)
    return found


def test_it_shows_hello_what_happened_and_where_to_look_further(
    demonstration: Demonstration,
) -> None:
    assert demonstration.status == 0, demonstration.said
    assert 'wrote "Hello, world!" in a container' in demonstration.said
    assert f"http://127.0.0.1:{demonstration.service.port}/v1/builds/" in demonstration.said
    timeline = TIMELINE.search(demonstration.said)
    assert timeline, demonstration.said
    lines = timeline[1].splitlines()
    assert ("BuildSubmitted" in lines[0], "BuildSucceeded" in lines[-1]) == (True, True)


def test_nothing_of_it_runs_on(demonstration: Demonstration) -> None:
    assert processes_of(demonstration.service.data_dir) == []
    assert sdk().containers(all=True, filters={"ancestor": demonstration.image}) == []


def test_its_log_is_whole(demonstration: Demonstration) -> None:
    verified = demonstration.service.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert processes_of(demonstration.service.data_dir) == []


def test_a_second_start_goes_on_from_there(demonstration: Demonstration) -> None:
    service = demonstration.service
    before = service.json("verify")["position"]
    status, said = up(service, "--once")
    assert status == 0, said
    assert f"ready on http://127.0.0.1:{service.port}" in said
    assert "admin key" not in said  # it was shown once
    assert service.json("verify")["position"] >= before
    assert processes_of(service.data_dir) == []
