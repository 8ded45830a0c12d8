"""What is looked at is what the service uses, not what this shell would have it use."""

from pathlib import Path

from api.cli.checkup_parts import base_image_in_use
from api.cli.data_directory import DataDirectory, write_private
from api.settings import Settings


def test_the_base_image_is_the_one_that_the_service_was_started_with(tmp_path: Path) -> None:
    settings = Settings.load({}, data_dir=str(tmp_path))
    assert base_image_in_use(settings) == settings.builds.base_image
    write_private(DataDirectory(tmp_path).base_image, "eulermaker/base:1")
    assert base_image_in_use(settings) == "eulermaker/base:1"
