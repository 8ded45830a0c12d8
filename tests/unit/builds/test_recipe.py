"""The recipe: the same words for the same input, and none that a hostile name could bend."""

import re
import shlex
import subprocess

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.builds import recipe
from domain.builds.events import Requirements, Step
from domain.builds.spec import RpmSource
from tests.support.builds import IMAGE, RPM, requirements

SHELL = "/bin/sh"
HOSTILE = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1)
BASE = {"base_image": "base:1", "base_image_id": "sha256:1"}


def _shell(script: str, *options: str) -> str:
    done = subprocess.run(  # noqa: S603 - the point of the test
        [SHELL, *options], input=script.encode(), capture_output=True, timeout=20, check=True
    )
    return done.stdout.decode()


def test_every_script_is_one_that_a_shell_can_read() -> None:
    for script in (
        recipe.toolchain_script(),
        recipe.prepare_script(("foo >= 1", "(a or b)")),
        recipe.resolve_script(RPM),
    ):
        _shell(script, "-n")


def test_what_a_spec_can_make_as_long_as_it_likes_is_not_among_what_is_read_of_it() -> None:
    written = re.findall(r">+ out/(\w+)", recipe.resolve_script(RPM))
    assert set(written) == {"package", "requires", "missing", "generated"}


@settings(max_examples=30, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=5))
def test_names_reach_the_package_manager_as_they_are(names: list[str]) -> None:
    script = recipe.prepare_script(tuple(names))
    _shell(script, "-n")
    (line,) = [line for line in script.split("\n") if " install " in line]
    assert shlex.split(line)[-len(names) :] == names


@settings(max_examples=30, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=3))
def test_the_dockerfile_gives_the_shell_the_very_script_of_the_build(names: list[str]) -> None:
    asked = msgspec.structs.replace(requirements(), missing=tuple(names))
    text = recipe.dockerfile(RPM, **BASE, requirements=asked)
    run = next(line for line in text.split("\n") if line.startswith("RUN sh -c") and
               "clean all" in line)  # fmt: skip
    printed = _shell(re.sub(r"^RUN sh -c ", "printf %s ", run))
    assert printed == recipe.prepare_script(tuple(names)).strip()


def test_only_the_check_of_requirements_leaves_the_sources_uncompressed() -> None:
    check = next(
        line for line in recipe.resolve_script(RPM).split("\n") if line.startswith("rpmbuild -br")
    )
    payloads = [word for word in shlex.split(check) if word.startswith("_source_payload")]
    assert payloads[-1] == "_source_payload w0.ufdio"  # the last one counts
    assert not [word for word in recipe.rpmbuild_command(RPM) if "ufdio" in word]


def test_equal_inputs_give_equal_recipes() -> None:
    texts = {recipe.dockerfile(RPM, **BASE, requirements=requirements("a")) for _ in range(2)}
    assert len(texts) == 1
    assert "SOURCE_DATE_EPOCH=1700000000" in texts.pop()


def test_a_build_root_is_shared_only_by_equal_inputs() -> None:

    def key(step: Step, *missing: str, image: str = "i", arch: str = "a", at: str = "s") -> str:
        return recipe.root_key(
            step, parent_image_id=image, architecture=arch, snapshot=at, missing=missing
        )

    keys = [
        key(Step.PREPARE, "a", "b"),
        key(Step.PREPARE, "a"),
        key(Step.PREPARE, "ab"),
        key(Step.PREPARE),
        key(Step.TOOLCHAIN),
        key(Step.TOOLCHAIN, image="other"),
        key(Step.TOOLCHAIN, arch="other"),
        key(Step.TOOLCHAIN, at="other"),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == key(Step.PREPARE, "a", "b")


def test_a_build_root_has_a_tag_that_an_engine_takes() -> None:
    key = recipe.root_key(Step.TOOLCHAIN, parent_image_id="i", architecture="a", snapshot="s")
    assert re.fullmatch(r"eulermaker/toolchain:[0-9a-f]{32}", recipe.root_tag(Step.TOOLCHAIN, key))
    assert recipe.root_tag(Step.PREPARE, key).startswith("eulermaker/deps:")


def test_an_image_build_has_no_rpm_recipe() -> None:
    with pytest.raises(TypeError, match="spec file"):
        recipe.rpmbuild_command(IMAGE)


ANSWERS = {
    "package": "hello\t2.12\t1\t1700000000\n",
    "requires": "gettext\nmake >= 4\ngettext\n",
    "missing": "gettext\n",
    "generated": "no\n",
}


def _read(**changes: str) -> Requirements:
    return recipe.read_requirements(RPM, {**ANSWERS, **changes})


def test_what_rpm_says_of_a_spec_is_read() -> None:
    assert _read() == Requirements(
        package="hello",
        version="2.12",
        release="1",
        source_date_epoch=1_700_000_000,
        requires=("gettext", "make >= 4"),
        missing=("gettext",),
        final=True,
    )


@pytest.mark.parametrize(
    ("generated", "missing", "final"),
    [("no", "a", True), ("no", "", True), ("yes", "", True), ("yes", "a", False)],
)
def test_only_generated_requirements_that_are_missing_need_another_round(
    generated: str, missing: str, *, final: bool
) -> None:
    assert _read(generated=generated, missing=missing).final is final


def test_without_a_changelog_the_time_is_fixed() -> None:
    assert _read(package="a\t1\t1\t(none)").source_date_epoch == recipe.NO_CHANGELOG_EPOCH


def test_the_submitted_time_goes_before_the_changelogs() -> None:
    assert isinstance(RPM.source, RpmSource)
    source = msgspec.structs.replace(RPM.source, source_date_epoch=7)
    spec = msgspec.structs.replace(RPM, source=source)
    assert recipe.read_requirements(spec, ANSWERS).source_date_epoch == 7


@pytest.mark.parametrize(
    "package",
    [
        "",
        "a\t1",
        "a\t1\t1",
        "a\tb\nRUN evil\tc\t0",
        "a b\t1\t1\t0",
        "a\n\t1\t1\t0",
        "a\t1\t1\n\t0",
        f"a\t1\t1\t{10**30}",
    ],
)
def test_what_rpm_would_not_say_of_a_package_is_refused(package: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        _read(package=package)


@pytest.mark.parametrize(
    "missing",
    ["--nogpgcheck", "-c/x", "https://example.invalid/x.rpm", "@core", "./x.rpm"],
)
def test_nothing_but_a_name_reaches_the_package_manager(missing: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        _read(missing=missing)


@pytest.mark.parametrize(
    "missing", ["foo", "foo-devel >= 2:1.0", "pkgconfig(x)", "/usr/bin/perl", "(a or b)", "_x"]
)
def test_every_kind_of_requirement_is_understood(missing: str) -> None:
    assert _read(missing=missing).missing == (missing,)


@given(st.dictionaries(st.sampled_from(sorted(ANSWERS)), st.text(max_size=40)))
def test_answers_that_cannot_be_read_are_told_from_those_that_can(changes: dict[str, str]) -> None:
    try:
        found = _read(**changes)
    except ValueError:
        return
    assert "\n" not in found.package + found.version + found.release
    assert not any(name.startswith("-") for name in found.missing)
