"""RPM and image builds as a packager sees them: what comes out, and why it did not."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cli_support import Started, a_service
from tests.acceptance.specs import newest, submit, write_spec
from tests.support.docker import base_image, sdk

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


FAILURES = [
    pytest.param(
        {"build": "echo 'int main(void) { return x; }' > a.c; gcc a.c"},
        ("%build", "error:", "undeclared"),
        id="compile error",
    ),
    pytest.param({"check": "echo FAIL: test_seven; exit 3"}, ("%check", "test_seven"), id="check"),
    pytest.param({"preamble": "Nonsense Here"}, ("Unknown tag", "Nonsense"), id="spec"),
    pytest.param({"build": "tail /dev/zero"}, ("64 MiB", "memory"), id="memory"),
]


@pytest.mark.parametrize(("sections", "words"), FAILURES)
def test_a_failed_build_says_why(
    service: Started, tmp_path: Path, sections: dict[str, str], words: tuple[str, ...]
) -> None:
    result = submit(service, write_spec(tmp_path, "fails", **sections), "--memory", "64M")
    assert result.returncode == 1, result.stdout + result.stderr
    failure = newest(service, "fails")["attempts"][-1]["failure"]
    assert failure["fault"] == "user"
    told = f"{failure['phase']} {failure['reason']}"
    assert all(word in told for word in words), told


def test_missing_requirements_are_named(service: Started, tmp_path: Path) -> None:
    preamble = "BuildRequires: gcc, nonesuch-devel >= 2, other-nonesuch"
    result = submit(service, write_spec(tmp_path, "lacks", preamble=preamble))
    assert result.returncode == 1, result.stdout + result.stderr
    failure = newest(service, "lacks")["attempts"][-1]["failure"]
    assert failure["unresolved"] == ["nonesuch-devel >= 2", "other-nonesuch"]


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


@pytest.mark.parametrize("option", ["--wall-seconds", "--idle-seconds"])
def test_a_build_that_takes_too_long_is_stopped(
    service: Started, tmp_path: Path, option: str
) -> None:
    spec = write_spec(tmp_path, "sleeps", build="sleep 600")
    assert submit(service, spec, option, "3").returncode == 3
    build = newest(service, "sleeps")
    assert build["phase"] == "timed-out"
    assert containers_of(build["build_id"]) == []


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


def test_a_build_killed_from_outside_is_the_systems_fault_and_tried_again(
    service: Started, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, "victim", build="echo begun; sleep 600")
    submitted = service.json("build", "submit", spec)
    with service.open("build", "log", "--follow", submitted["id"]) as log:
        assert log.stdout is not None
        until(log.stdout, "begun")
        running = [each for each in containers_of(submitted["id"]) if "rpmbuild" in each]
        sdk().remove_container(running[0], force=True, v=True)
        until(log.stdout, "begun")  # once more: it was tried again by itself
        assert service.run("build", "cancel", submitted["id"]).returncode == 0
        log.stdout.read()
    attempts = newest(service, "victim")["attempts"]
    assert [each["attempt"] for each in attempts] == [1, 2]
    assert attempts[0]["failure"]["fault"] == "system"


def test_an_image_is_built_from_its_context(service: Started, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_text("in the image\n")
    (context / "Dockerfile").write_text(f"FROM {base_image()}\nCOPY file /file\nRUN cat /file\n")
    result = service.run("build", "submit", "--image", context, "--name", "imaged", "--follow")
    assert result.returncode == 0, result.stdout + result.stderr
    image = newest(service, "imaged")["attempts"][-1]["image"]
    assert sdk().images(image["image"]) != []
    sdk().remove_image(image["image"], force=True)


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


def until(lines: Iterator[str], word: str) -> None:
    assert any(word in line for line in lines), f"the log ended without {word}"
