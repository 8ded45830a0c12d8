"""What is fetched never costs somebody a file of theirs."""

from hashlib import sha256
from pathlib import Path

import pytest

from api.cli import exits
from api.cli.build_fetch import WouldReplace, refuse_to_replace
from domain.builds.events import Artifact

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
