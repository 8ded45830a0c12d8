"""Image builds as a packager sees them, through time limits and a restart of the database."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.cli_support import Started, a_service
from tests.acceptance.specs import newest, until
from tests.support.docker import base_image, sdk, step_states
from tests.support.service import postmaster

LONG = "echo begun; exec sleep 600"


@pytest.fixture(scope="module")
def service() -> Iterator[Started]:
    with a_service() as started:
        yield started


def write_context(folder: Path, *lines: str) -> Path:
    context = folder / "context"
    context.mkdir()
    context.joinpath("file").write_text("in the image\n")
    context.joinpath("Dockerfile").write_text("\n".join((f"FROM {base_image()}", *lines, "")))
    return context


def test_an_image_is_built_from_its_context(service: Started, tmp_path: Path) -> None:
    context = write_context(tmp_path, "COPY file /file", "RUN cat /file")
    result = service.run("build", "submit", "--image", context, "--name", "imaged", "--follow")
    assert result.returncode == 0, result.stdout + result.stderr
    image = newest(service, "imaged")["attempts"][-1]["image"]
    assert sdk().images(image["image"]) != []
    sdk().remove_image(image["image"], force=True)


LIMITS = [("wall", "took longer than 3 s"), ("idle", "wrote no line of log for 3 s")]


@pytest.mark.parametrize(("limit", "reason"), LIMITS)
def test_an_image_build_that_takes_too_long_is_stopped_in_the_engine(
    service: Started, tmp_path: Path, limit: str, reason: str
) -> None:
    mark = f"{service.port}-{limit}"
    context = write_context(tmp_path, f"RUN {LONG} # {mark}")
    options = ("--name", "slow", f"--{limit}-seconds", "3", "--follow")
    result = service.run("build", "submit", "--image", context, *options)
    assert result.returncode == 3, result.stdout + result.stderr
    assert step_states(mark) == []
    assert reason in result.stdout
    failure = newest(service, "slow")["attempts"][-1]["failure"]
    assert (failure["step"], failure["log_tail"][-1]) == ("image", "begun")


def test_an_image_build_outlives_a_restart_of_the_database_by_being_tried_again(
    service: Started, tmp_path: Path
) -> None:
    """The loss of the executor's lock is the system's fault, and ends the build in the engine."""
    mark = f"{service.port}-restart"
    context = write_context(tmp_path, f"RUN echo begun; sleep 20 # {mark}")
    submitted = service.json("build", "submit", "--image", context, "--name", "restarted")
    with service.open("build", "log", "--follow", submitted["id"]) as log:
        assert log.stdout is not None
        until(log.stdout, "begun")
        os.kill(postmaster(service.data_dir), signal.SIGINT)
        until(log.stdout, "begun")  # by the second attempt
        assert len(step_states(mark)) == 1
        assert log.wait(60) == 0
    *earlier, last = newest(service, "restarted")["attempts"]
    assert earlier
    assert {(each["phase"], each["failure"]["fault"]) for each in earlier} == {
        ("errored", "system")
    }
    assert last["phase"] == "succeeded"
    sdk().remove_image(last["image"]["image"], force=True)
