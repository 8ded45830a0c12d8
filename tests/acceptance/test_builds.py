"""RPM and image builds as a packager sees them: what comes out, and why it did not."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.acceptance.cli_support import Started, a_service
from tests.acceptance.specs import newest, submit, until, write_spec
from tests.support.docker import sdk

SUMMARY_LINES = 30
HELLO_C = '#include <stdio.h>\nint main(void) { puts(__DATE__ " " __TIME__); return 0; }\n'


@pytest.fixture(scope="module")
def service() -> Iterator[Started]:
    with a_service() as started:
        yield started


@pytest.fixture
def hello(tmp_path: Path) -> tuple[Path, Path]:
    """A spec that compiles a program which would tell when it was built, and its source."""
    source = tmp_path / "hello.c"
    source.write_text(HELLO_C)
    spec = write_spec(
        tmp_path,
        "when",
        preamble="Source0: hello.c\nBuildRequires: gcc",
        build="gcc -g -O2 -o when %{SOURCE0}",
        install="install -D when %{buildroot}/usr/bin/when",
        files="/usr/bin/when",
    )
    return spec, source


def test_the_same_sources_give_the_same_packages_each_time(
    service: Started, hello: tuple[Path, Path]
) -> None:
    spec, source = hello
    first = built(service, spec, source)
    assert {each["kind"] for each in first.values()} == {"rpm", "srpm", "dockerfile"}
    assert digests(built(service, spec, source)) == digests(first)


def test_the_recipe_gives_the_same_packages_by_docker_alone(
    service: Started, hello: tuple[Path, Path], tmp_path: Path
) -> None:
    spec, source = hello
    artifacts = built(service, spec, source)
    build_id = newest(service, "when")["build_id"]
    assert service.run("build", "fetch", build_id, tmp_path / "fetched").returncode == 0
    context = tmp_path / "context"
    for folder, file in (("SPECS", spec), ("SOURCES", source)):
        (context / folder).mkdir(parents=True)
        (context / folder / file.name).write_bytes(file.read_bytes())
    (context / "Dockerfile").write_bytes((tmp_path / "fetched" / "Dockerfile").read_bytes())
    assert by_docker_alone(context) == {
        name: digest for name, digest in digests(artifacts).items() if name.endswith(".rpm")
    }


def by_docker_alone(context: Path) -> dict[str, str]:
    """Digests of the packages that `docker build` makes of the recipe."""
    tag = f"eulermaker-test-recipe-{context.parent.name.replace('_', '-')}"
    build: list[str | Path] = [
        "docker",
        "build",
        "--quiet",
        "--target",
        "rpmbuild",
        "--tag",
        tag,
        context,
    ]
    show = [
        "docker",
        "run",
        "--rm",
        tag,
        "sh",
        "-c",
        "find RPMS SRPMS -name '*.rpm' | xargs sha256sum",
    ]
    try:
        subprocess.run(build, check=True, capture_output=True, timeout=120)  # noqa: S603
        listed = subprocess.run(show, check=True, capture_output=True, timeout=60).stdout  # noqa: S603
    finally:
        sdk().remove_image(tag, force=True)
    lines = (line.split() for line in listed.decode().splitlines())
    return {path.rpartition("/")[2]: f"sha256:{digest}" for digest, path in lines}


class Expected(msgspec.Struct, frozen=True):
    """What a packager is told: words of the reason, the step and its exit code, a last line."""

    reason: tuple[str, ...]
    last_line: str
    phase: str = ""
    step: str = "rpmbuild"
    exit_code: int | None = 1
    unresolved: tuple[str, ...] = ()


FAILURES = [
    pytest.param(
        {"build": "echo 'int main(void) { return x; }' > a.c; gcc a.c"},
        Expected(("%build", "error:", "undeclared"), "Bad exit status from", phase="%build"),
        id="compile error",
    ),
    pytest.param(
        {"check": "echo FAIL: test_seven; exit 3"},
        Expected(("%check", "test_seven"), "FAIL: test_seven", phase="%check"),
        id="check",
    ),
    pytest.param(
        {"preamble": "Nonsense Here"},
        Expected(("Unknown tag", "Nonsense"), "Unknown tag", step="resolve"),
        id="spec",
    ),
    pytest.param(
        {"build": "tail /dev/zero"}, Expected(("64 MiB", "memory"), "Killed"), id="memory"
    ),
    pytest.param(
        {"preamble": "BuildRequires: gcc, nonesuch-devel >= 2, other-nonesuch"},
        Expected(
            ("nonesuch-devel >= 2", "other-nonesuch"),
            "nonesuch",
            step="prepare",
            unresolved=("nonesuch-devel >= 2", "other-nonesuch"),
        ),
        id="requirements",
    ),
]


@pytest.mark.parametrize(("sections", "expected"), FAILURES)
def test_a_failed_build_says_why(
    service: Started, tmp_path: Path, sections: dict[str, str], expected: Expected
) -> None:
    result = submit(service, write_spec(tmp_path, "fails", **sections), "--memory", "64M")
    assert result.returncode == 1, result.stdout + result.stderr
    failure = newest(service, "fails")["attempts"][-1]["failure"]
    assert failure["fault"] == "user"
    assert_told(result.stdout, failure, expected)


def assert_told(said: str, failure: dict[str, Any], expected: Expected) -> None:
    """By the API, and in the few lines that end what is followed."""
    assert all(word in failure["reason"] for word in expected.reason), failure
    found = (failure["step"], failure["exit_code"], failure["phase"], failure["unresolved"])
    assert found == (
        expected.step, expected.exit_code, expected.phase, list(expected.unresolved)
    )  # fmt: skip
    assert any(expected.last_line in line for line in failure["log_tail"]), failure["log_tail"]
    summary = said[said.rindex(failure["reason"]) :]
    assert len(summary.splitlines()) < SUMMARY_LINES
    for told in (expected.step, expected.phase, expected.last_line, *expected.unresolved):
        assert told in summary
    if expected.exit_code is not None:
        assert re.search(rf"^Exit code +{expected.exit_code}$", summary, re.MULTILINE), summary


def test_generated_requirements_that_are_there_already_are_final(
    service: Started, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, "asks", build="make --version")
    spec.write_text(
        spec.read_text().replace("%build", "%generate_buildrequires\necho make\n%build")
    )
    result = submit(service, spec)
    assert result.returncode == 0, result.stdout + result.stderr
    requirements = newest(service, "asks")["attempts"][-1]["requirements"]
    assert (requirements["requires"], requirements["missing"]) == (["make"], [])


@pytest.mark.parametrize(
    ("option", "reason"),
    [("--wall-seconds", "took longer than 3 s"), ("--idle-seconds", "wrote no line of log")],
)
def test_a_build_that_takes_too_long_is_stopped(
    service: Started, tmp_path: Path, option: str, reason: str
) -> None:
    spec = write_spec(tmp_path, "sleeps", build="echo begun; sleep 600")
    result = submit(service, spec, option, "3")
    assert result.returncode == 3
    build = newest(service, "sleeps")
    assert build["phase"] == "timed-out"
    assert containers_of(build["build_id"]) == []
    expected = Expected((reason,), "begun", exit_code=None)
    assert_told(result.stdout, build["attempts"][-1]["failure"], expected)


def test_a_build_that_writes_without_end_fails_by_its_own_fault(
    service: Started, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, "chatters", build="yes $(head -c 9000 /dev/zero | tr '\\0' x)")
    assert submit(service, spec).returncode == 1
    build = newest(service, "chatters")
    assert "wrote more log than is kept" in build["reason"]
    assert containers_of(build["build_id"]) == []


def test_a_cancelled_build_leaves_nothing_running(service: Started, tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "endless", build="echo begun; sleep 600")
    submitted = service.json("build", "submit", spec)
    with service.open("build", "log", "--follow", submitted["id"]) as log:
        assert log.stdout is not None
        until(log.stdout, "begun")
        assert service.run("build", "cancel", submitted["id"]).returncode == 0
        log.stdout.read()  # to its end: the container is dead
    assert newest(service, "endless")["phase"] in {"stopping", "cancelled"}


def remove(container: str) -> None:
    sdk().remove_container(container, force=True, v=True)


def kill(container: str) -> None:
    sdk().kill(container, "SIGKILL")


KILLS = [
    pytest.param(remove, "removed by somebody outside", None, id="removed"),
    pytest.param(kill, "killed by somebody outside", 137, id="kill -9"),
]


@pytest.mark.parametrize(("strike", "reason", "exit_code"), KILLS)
def test_a_build_killed_from_outside_is_the_systems_fault_and_tried_again(
    service: Started,
    tmp_path: Path,
    strike: Callable[[str], None],
    reason: str,
    exit_code: int | None,
) -> None:
    spec = write_spec(tmp_path, "victim", build="echo begun; sleep 600")
    submitted = service.json("build", "submit", spec)
    with service.open("build", "log", "--follow", submitted["id"]) as log:
        assert log.stdout is not None
        until(log.stdout, "begun")
        running = [each for each in containers_of(submitted["id"]) if "rpmbuild" in each]
        strike(running[0])
        until(log.stdout, "begun")  # once more: it was tried again by itself
        assert service.run("build", "cancel", submitted["id"]).returncode == 0
        log.stdout.read()
    attempts = newest(service, "victim")["attempts"]
    assert [each["attempt"] for each in attempts] == [1, 2]
    failure = attempts[0]["failure"]
    assert reason in failure["reason"]
    found = (failure["fault"], failure["step"], failure["exit_code"])
    assert found == ("system", "rpmbuild", exit_code)
    if exit_code is not None:  # of one that is gone the end of its log is not told
        assert "begun" in failure["log_tail"]
    shown = service.run("build", "show", submitted["id"]).stdout
    assert failure["reason"] in shown


def built(service: Started, spec: Path, *sources: Path) -> dict[str, Any]:
    """The artifacts by name."""
    result = service.run("build", "submit", spec, *sources, "--follow")
    assert result.returncode == 0, result.stdout + result.stderr
    artifacts = newest(service, spec.stem)["attempts"][-1]["artifacts"]
    return {artifact["name"]: artifact for artifact in artifacts}


def digests(artifacts: dict[str, Any]) -> dict[str, str]:
    return {name: artifact["digest"] for name, artifact in artifacts.items()}


def containers_of(build_id: str) -> list[str]:
    found = sdk().containers(
        all=True, filters={"label": f"io.eulermaker.aggregate=build-{build_id}"}
    )
    return [each["Names"][0].removeprefix("/") for each in found]
