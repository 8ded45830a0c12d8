"""What a build leaves behind was named and sized by its own scripts: only what is sound is kept."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.memory.blob_store import InMemoryBlobStore
from adapters.memory.container_engine import InMemoryContainerEngine
from domain.application import build_results
from domain.application.build_results import BuildResults
from domain.application.build_steps import BuildSettings
from domain.application.tar_stream import TarFile, write_tar
from domain.builds import commands as c
from domain.builds.events import Step
from domain.ports import ClaimedEffect
from domain.processes import effects as f
from tests.support.builds import BID, UNDER_WAY, after

EFFECT = f.CollectArtifacts(build_id=BID, attempt=1)
CLAIMED = ClaimedEffect(
    effect_id="e", tenant="default", stream=f"build-{BID}", correlation_id="c", effect=EFFECT,
    attempt=1, superseded=False,
)  # fmt: skip
SIZE = 10
LIMIT = 3 * SIZE


class Engine(InMemoryContainerEngine):
    """Its container holds these files in RPMS, and for each `.rpm` a `.src.rpm` in SRPMS."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names

    def get_files(self, name: str, path: str) -> AsyncIterator[bytes]:  # type: ignore[override] # an iterator will do
        del name
        suffix = ".src.rpm" if path.endswith("SRPMS") else ".rpm"
        files = [file.replace(".rpm", suffix) for file in self.names]
        return write_tar(
            [
                TarFile(name=f"{path}/x86_64/{file}", size=SIZE, content=_content())
                for file in files
            ],
            owner=0,
            modified_at=0,
        )


async def _content() -> AsyncIterator[bytes]:
    yield SIZE * b"x"


def _collect(*names: str) -> c.BuildReport:
    results = BuildResults(
        Engine(*names),
        InMemoryBlobStore(),
        BuildSettings(installation="i", max_artifact_bytes=LIMIT),
    )
    return asyncio.run(results.collect(CLAIMED, EFFECT, after(*UNDER_WAY)))


def _refusal(*names: str) -> str:
    report = _collect(*names)
    assert isinstance(report, c.RecordBuildRefused)
    assert report.step is Step.RPMBUILD
    return report.reason


def test_packages_are_kept_and_other_files_are_not() -> None:
    report = _collect("a-1-1.rpm", "notes.txt")
    assert isinstance(report, c.RecordArtifactsCollected)
    found = [(artifact.name, artifact.kind) for artifact in report.artifacts]
    assert found[:2] == [("a-1-1.rpm", "rpm"), ("a-1-1.src.rpm", "srpm")]


@pytest.mark.parametrize(
    "name",
    [
        'a"; filename="b.rpm',
        "a\r\nSet-Cookie: x.rpm",
        "\udcff.rpm",
        "\u00e9.rpm",
        ".rpm",
        "-a.rpm",
        f"{'a' * 300}.rpm",
    ],
)
def test_a_package_with_an_unsound_name_fails_the_build(name: str) -> None:
    reason = _refusal(name)
    assert "cannot be the name of a package" in reason
    assert reason.isascii()
    assert reason.isprintable()


def test_packages_that_are_too_large_in_all_fail_the_build() -> None:
    assert f"at most {LIMIT} bytes in all" in _refusal("a.rpm", "b.rpm")


def test_too_many_packages_fail_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_results, "MAX_ARTIFACTS", 1)
    assert "at most 1 packages" in _refusal("a.rpm")


def test_too_much_beside_the_packages_fails_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_results, "MAX_OTHERS", 2)
    assert isinstance(_collect("a.txt", "b.txt"), c.RecordArtifactsCollected)
    assert "at most 2 files and folders beside" in _refusal("a.txt", "b.txt", "c.txt")


@pytest.mark.parametrize("names", [("one/a.rpm", "two/a.rpm"), ("a.src.rpm", "a.rpm")])
def test_packages_of_one_name_fail_the_build(names: tuple[str, ...]) -> None:
    """The second ones are an RPM and the source package of another."""
    assert "two packages named a" in _refusal(*names)
