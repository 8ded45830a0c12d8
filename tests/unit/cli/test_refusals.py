"""What cannot be meant is refused before anything is sent, in words about what was typed."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from api.cli import exits
from api.cli.container_request import run
from api.cli.main import cli
from api.cli.sizes import BYTES, CPUS

NOWHERE = {"EULERMAKER_URL": "http://127.0.0.1:1", "EULERMAKER_KEY": "em_test"}
RUN = ("container", "run")


def refusal(*arguments: str | Path) -> str:
    """Whatever would be sent could not arrive, and would be told so."""
    result = CliRunner(env=NOWHERE).invoke(cli, [str(each) for each in arguments])
    assert result.exit_code not in {0, 1, exits.UNAVAILABLE}, result.output
    return " ".join(result.stderr.split())


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "hi.spec"
    path.touch()
    return path


def test_the_first_file_of_an_rpm_is_its_spec(spec: Path, tmp_path: Path) -> None:
    archive = tmp_path / "hi-1.0.tar.gz"
    archive.touch()
    assert "The first file must be the .spec" in refusal("build", "submit", archive, spec)


@pytest.mark.parametrize(
    "option",
    [["--target", "x"], ["--no-cache"], ["--build-arg", "A=1"], ["--dockerfile", "Dockerfile"]],
)
def test_an_option_for_images_is_not_ignored_for_an_rpm(spec: Path, option: list[str]) -> None:
    assert f"{option[0]} is for images" in refusal("build", "submit", spec, *option)


def test_an_option_for_rpms_is_not_ignored_for_an_image(tmp_path: Path) -> None:
    said = refusal("build", "submit", "--image", tmp_path, "--base-image", "base")
    assert "--base-image is for RPMs" in said


@pytest.mark.parametrize("name", ["", "Bad Name", "x" * 64])
def test_a_name_is_never_changed_in_silence(spec: Path, name: str) -> None:
    submitted = refusal("build", "submit", "--name", name, spec)
    for said in (submitted, refusal(*RUN, "--name", name, "image")):
        assert "'--name'" in said
        assert "is no name here: 1 to 63 of a-z" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cpus", "0"], "'--cpus': 0 is not between 0.01 and 1024."),
        (["--memory", "1K"], "'--memory': 1K is not between 6.0 MiB and 1.0 TiB."),
        (["--workdir", "tmp"], "'--workdir': 'tmp' is no path here"),
        (["--user", "a b"], "'--user': 'a b' is no user"),
        (["--env", "A B=1"], "'A B' is no variable"),
        (["--secret", "1A"], "'--secret': '1A' is no variable"),
    ],
)
def test_a_value_is_refused_by_the_name_of_its_option(options: list[str], said: str) -> None:
    assert said in refusal(*RUN, "--name", "x", *options, "image")


@pytest.mark.parametrize("text", ["nan", "inf", "two"])
def test_what_is_no_number_is_no_number_of_processors(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number of processors"):
        CPUS.convert(text, None, None)


def test_the_least_that_a_container_may_have_is_taken() -> None:
    assert BYTES.convert("6M", None, None) == 6 * 1024**2


@pytest.mark.parametrize(
    "options", [["--dockerfile", "../Dockerfile"], ["--target", "a b"], ["--build-arg", "A B=1"]]
)
def test_what_an_image_is_made_of_is_checked_here(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "Dockerfile").touch()
    assert f"{options[1].partition('=')[0]!r} is no" in refusal(
        "build", "submit", "--image", tmp_path, *options
    )


def test_limits_that_change_nothing_are_refused() -> None:
    assert "Nothing would change" in refusal("container", "limits", "web")


def test_what_stands_behind_the_image_is_the_command() -> None:
    """`perl -e …` is no --env of ours."""
    words = ["perl", "-e", "print 1", "--unknown"]
    parsed = run.make_context("run", ["--name", "x", "image", *words]).params
    assert (parsed["command"], parsed["env"]) == (tuple(words), ())


def test_a_secret_that_stdin_lacks_is_refused_and_not_empty() -> None:
    said = refusal(*RUN, "--name", "x", "--secret", "PASSWORD", "image")
    assert "--secret PASSWORD is to be a line of stdin, which has ended." in said
