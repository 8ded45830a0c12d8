"""Where the client goes, and to whom it shows a key."""

from pathlib import Path

import click
import pytest

from api.cli.data_directory import DataDirectory, write_private
from api.cli.service_address import NoKey, find_service

HERE = "http://127.0.0.1:8911"


@pytest.fixture
def started(tmp_path: Path) -> Path:
    directory = DataDirectory(tmp_path)
    write_private(directory.admin_key, "em_local")
    write_private(directory.server, HERE)
    return tmp_path


def test_a_service_started_here_is_found_with_its_key(started: Path) -> None:
    found = find_service(None, None, started)
    assert (found.url, found.key) == (HERE, "em_local")


def test_the_key_kept_here_is_never_shown_to_another_server(started: Path) -> None:
    with pytest.raises(
        NoKey, match=r"no API key for https://elsewhere.example: set EULERMAKER_KEY"
    ):
        find_service("https://elsewhere.example", None, started)


def test_a_named_key_goes_to_the_named_server(started: Path) -> None:
    found = find_service("https://elsewhere.example/", "em_mine", started)
    assert (found.url, found.key) == ("https://elsewhere.example", "em_mine")


def test_the_service_here_is_known_by_its_address_too(started: Path) -> None:
    assert find_service(f"{HERE}/", None, started).key == "em_local"


def test_without_a_key_it_says_where_one_would_be(tmp_path: Path) -> None:
    with pytest.raises(NoKey, match=r"admin\.key"):
        find_service(None, None, tmp_path)


def test_the_kept_key_is_readable_by_its_owner_only(started: Path) -> None:
    assert DataDirectory(started).admin_key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["nonsense", "localhost:8080", "ftp://host", "http://", "http://h:x"]
)
def test_an_address_that_is_no_url_is_refused(text: str, started: Path) -> None:
    with pytest.raises(click.UsageError, match="which is no URL"):
        find_service(text, "em_mine", started)
