"""What is fetched never costs somebody a file of theirs."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from api.cli import exits
from api.cli.build_fetch import NothingMade, WouldReplace, refuse_to_replace
from domain.builds.events import Artifact
from domain.builds.spec import BuildSpec, ImageSource, SourceFile
from domain.builds.state import Phase
from projections.build_rows import Attempt, BuildDetails, BuiltImage

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
IMAGE = BuiltImage(image="eulermaker/builds/app:1", image_id="sha256:1", size=1)
CONTENT = b"FROM scratch\n"
ARTIFACT = Artifact(
    name="Dockerfile",
    kind="dockerfile",
    digest=f"sha256:{sha256(CONTENT).hexdigest()}",
    size=len(CONTENT),
)


def test_a_file_with_other_content_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("mine")
    with pytest.raises(WouldReplace, match=r"Dockerfile would be replaced.*--force") as refused:
        refuse_to_replace([ARTIFACT], tmp_path)
    assert refused.value.exit_code == exits.CANNOT_CREATE


def test_what_was_fetched_before_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(CONTENT)
    refuse_to_replace([ARTIFACT], tmp_path)


def test_a_directory_that_is_not_there_holds_nothing_to_replace(tmp_path: Path) -> None:
    refuse_to_replace([ARTIFACT], tmp_path / "new")


@pytest.mark.parametrize(
    ("phase", "image", "said"),
    [
        (Phase.FAILED, None, "failed: there is nothing to fetch"),
        (Phase.BUILDING, None, "has not ended"),
        (Phase.SUCCEEDED, IMAGE, f"container run --name app --follow {IMAGE.image}"),
    ],
)
def test_a_build_without_files_says_what_there_is_instead(
    phase: Phase, image: BuiltImage | None, said: str
) -> None:
    refused = NothingMade(a_build(phase, image))
    assert said in refused.message
    assert refused.exit_code == exits.REFUSED


def a_build(phase: Phase, image: BuiltImage | None) -> BuildDetails:
    attempt = Attempt(attempt=1, phase=phase, submitted_at=NOON, image=image)
    source = ImageSource(context=SourceFile(name="context.tar", digest=ARTIFACT.digest, size=1))
    return BuildDetails(
        tenant="default",
        build_id="b-1",
        name="app",
        kind="image",
        phase=phase,
        attempt=1,
        created_at=NOON,
        created_by="key:1",
        changed_at=NOON,
        version=1,
        position=1,
        created_position=1,
        spec=BuildSpec(name="app", source=source),
        base_image="base",
        attempts=(attempt,),
    )
