"""A data directory as a user would name one: private to whoever made it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.embedded import EmbeddedPostgres, EmbeddedRedis


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Not tmp_path: its parent is closed, so root's servers could not enter.
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        yield Path(directory)


@pytest.fixture
def postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir)
    yield server
    server.stop()


@pytest.fixture
def redis_server(data_dir: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(data_dir)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        server = EmbeddedPostgres(Path(directory))
        yield server.start()
        server.stop()
