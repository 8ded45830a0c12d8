from contextlib import ExitStack
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
import redis

from adapters.embedded import EmbeddedRedis
from tests.integration.embedded.support import (
    kill,
    let_start,
    processes_with,
    starter,
    url_of,
    wait_until,
)


def _pid(data_dir: Path) -> int:
    return int((data_dir / "redis/run/valkey.pid").read_text())


def _ask(url: str, *command: str) -> object:
    # The client's own types are incomplete.
    with redis.Redis.from_url(url, decode_responses=True) as client:  # pyright: ignore[reportUnknownMemberType]
        return cast("object", client.execute_command(*command))  # pyright: ignore[reportUnknownMemberType]


def test_a_second_start_attaches_to_the_same_server(
    redis_server: EmbeddedRedis, data_dir: Path
) -> None:
    url = redis_server.start()
    before = _pid(data_dir)
    assert EmbeddedRedis(data_dir).start() == url
    assert _pid(data_dir) == before


def test_keys_outlive_a_stop_and_the_url_stays(redis_server: EmbeddedRedis) -> None:
    url = redis_server.start()
    _ask(url, "SET", "key", "value")
    redis_server.stop()
    assert not redis_server.is_running()
    assert redis_server.start() == url
    assert _ask(url, "GET", "key") == "value"


def test_a_killed_server_is_noticed_and_started_again(
    redis_server: EmbeddedRedis, data_dir: Path
) -> None:
    url = redis_server.start()
    kill({_pid(data_dir)})
    wait_until(lambda: not redis_server.is_running())
    assert redis_server.start() == url
    assert redis_server.is_running()


def test_files_it_cannot_read_cost_the_content_not_the_server(
    redis_server: EmbeddedRedis, data_dir: Path
) -> None:
    url = redis_server.start()
    _ask(url, "SET", "key", "value")
    redis_server.stop()
    for file in (data_dir / "redis/data/appendonlydir").iterdir():
        file.write_bytes(b"not an append-only file\r\n" * 100)
    assert redis_server.start() == url
    assert _ask(url, "GET", "key") is None


def test_stop_is_harmless_before_start_and_twice(redis_server: EmbeddedRedis) -> None:
    redis_server.stop()
    redis_server.start()
    redis_server.stop()
    redis_server.stop()
    assert not redis_server.is_running()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxmemory", str(256 * 1024 * 1024)),
        ("maxmemory-policy", "allkeys-lru"),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("bind", "127.0.0.1"),
    ],
)
def test_its_memory_is_bound_and_it_is_private(
    redis_server: EmbeddedRedis, name: str, value: str
) -> None:
    assert _ask(redis_server.start(), "CONFIG", "GET", name) == {name: value}


def test_no_password_no_answer(redis_server: EmbeddedRedis, data_dir: Path) -> None:
    url = redis_server.start()
    password = urlsplit(url).password or ""
    for stranger in (url.replace(f":{password}@", ""), url.replace(password, "guess")):
        with pytest.raises(redis.AuthenticationError):
            _ask(stranger, "PING")
    for name in ("url", "valkey.conf"):
        assert (data_dir / "redis" / name).stat().st_mode & 0o777 == 0o600


def test_starters_that_race_get_one_server(redis_server: EmbeddedRedis, data_dir: Path) -> None:
    with ExitStack() as stack:
        starters = [stack.enter_context(starter("EmbeddedRedis", data_dir)) for _ in range(4)]
        for process in starters:
            let_start(process)
        assert {url_of(process) for process in starters} == {redis_server.start()}
        configuration = str(data_dir.resolve() / "redis/valkey.conf")
        wait_until(lambda: processes_with(configuration) == {_pid(data_dir)})
