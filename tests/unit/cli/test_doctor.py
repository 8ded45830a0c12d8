"""What is looked at is what the service uses, not what this shell would have it use."""

import asyncio
from pathlib import Path

from api.cli.checkup_parts import base_image_in_use, check_redis
from api.cli.data_directory import DataDirectory, write_private
from api.settings import Settings
from tests.support.ports import free_port


def test_the_base_image_is_the_one_that_the_service_was_started_with(tmp_path: Path) -> None:
    settings = Settings.load({}, data_dir=str(tmp_path))
    assert base_image_in_use(settings) == settings.builds.base_image
    write_private(DataDirectory(tmp_path).base_image, "eulermaker/base:1")
    assert base_image_in_use(settings) == "eulermaker/base:1"


def test_a_redis_that_is_not_there_is_told_in_plain_words(tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://:secret@127.0.0.1:{port}/0"
    settings = Settings.load({"REDIS_URL": url}, data_dir=str(tmp_path))
    finding = asyncio.run(check_redis(settings))
    assert finding.found == f"127.0.0.1:{port}: connection refused"
