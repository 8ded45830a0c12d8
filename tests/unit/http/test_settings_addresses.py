"""A malformed address is refused where it is read: by its variable, without what it may hide."""

from pathlib import Path

import pytest

from api.settings import Settings, SettingsError

SECRET = "hunter2"
EXAMPLES = {
    "DATABASE_URL": "postgresql://user@host:5432/name",
    "EULERMAKER_DATABASE_SERVICE_URL": "postgresql://user@host:5432/name",
    "REDIS_URL": "redis://host:6379/0",
    "DOCKER_HOST": "unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host",
    "EULERMAKER_ENGINE_NETWORK_POOL": "10.213.0.0/16",
}


def refusal(name: str, value: str) -> str:
    with pytest.raises(SettingsError) as refused:
        Settings.load({name: value})
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("DATABASE_URL", f"user:{SECRET}@host/name", "does not begin with postgresql://"),
        ("DATABASE_URL", f"mysql://user:{SECRET}@host/name", "does not begin with postgresql://"),
        ("DATABASE_URL", f"host=h password={SECRET}", "does not begin with postgresql://"),
        ("DATABASE_URL", "postgresql://host:many/name", "its port is not a number from 1 to 65535"),
        ("DATABASE_URL", "postgresql://host:0/name", "its port is not a number from 1 to 65535"),
        ("DATABASE_URL", f"postgresql://u:a@{SECRET}@host/name", "write them as %40, %2F"),
        ("DATABASE_URL", f"postgresql://u:a/{SECRET}@host/name", "write them as %40, %2F"),
        ("DATABASE_URL", f"postgresql://u:%{SECRET}@host/name", "what follows a % or a ?"),
        ("DATABASE_URL", f"postgresql://host/name?{SECRET}=1", "what follows a % or a ?"),
        ("DATABASE_URL", "postgresql://[::1/name", "its host is not understood"),
        ("EULERMAKER_DATABASE_SERVICE_URL", "host", "does not begin with postgresql://"),
        ("REDIS_URL", f"http://:{SECRET}@host", "does not begin with redis://"),
        ("REDIS_URL", f"redis://:{SECRET}@host:many/0", "its port is not a number"),
        ("REDIS_URL", f"redis://:a#{SECRET}@host/0", "write them as %40, %2F"),
        ("REDIS_URL", f"redis://host/0?{SECRET}=1", "what follows a % or a ?"),
        ("DOCKER_HOST", "foo", "does not begin with unix://, tcp:// or ssh://"),
        ("DOCKER_HOST", "http://host:2375", "does not begin with unix://, tcp:// or ssh://"),
        ("DOCKER_HOST", "unix://", "names no socket by its whole path"),
        ("DOCKER_HOST", "unix://var/run/docker.sock", "names no socket by its whole path"),
        ("DOCKER_HOST", "tcp://", "names no host"),
        ("DOCKER_HOST", "ssh://user@", "names no host"),
        ("DOCKER_HOST", "tcp://host:many", "its port is not a number"),
        *(
            ("EULERMAKER_ENGINE_NETWORK_POOL", pool, "is no range of IPv4 addresses of /26 or")
            for pool in ("", "x", "10.1.2.3/8", "10.0.0.0/30", "fd00::/16")
        ),
    ],
)
def test_a_malformed_address_is_refused_with_an_example_and_without_its_secrets(
    name: str, value: str, wrong: str
) -> None:
    said = refusal(name, value)
    assert said.startswith(f"{name} ")
    assert wrong in said
    assert f"Write it like {EXAMPLES[name]}" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "postgres://user:p%40ss@host/name?sslmode=require"),
        ("DATABASE_URL", "postgresql://user@[::1]:5432/name"),
        ("DATABASE_URL", "postgresql:///name?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://user:p%40ss@host:/name?application_name=a@b"),
        ("EULERMAKER_DATABASE_SERVICE_URL", "postgresql://user@one:5432,two:5433/name"),
        ("REDIS_URL", ""),
        ("REDIS_URL", "none"),
        ("REDIS_URL", "rediss://user:pass@host:6380/1?ssl_cert_reqs=none"),
        ("REDIS_URL", "redis://host:6379/0?username=a@b"),
        ("REDIS_URL", "unix:///run/redis.sock?db=1"),
        ("DOCKER_HOST", ""),
        ("DOCKER_HOST", "unix:///run/user/1000/docker.sock"),
        ("DOCKER_HOST", "tcp://[::1]:2376"),
        ("DOCKER_HOST", "ssh://user@host:22"),
    ],
)
def test_every_usual_form_of_an_address_is_taken(name: str, value: str) -> None:
    Settings.load({name: value})


def test_an_address_in_the_file_is_refused_by_the_file_and_its_key(tmp_path: Path) -> None:
    file = tmp_path / "eulermaker.toml"
    file.write_text("[redis]\nurl = 'host:6379'")
    with pytest.raises(SettingsError) as refused:
        Settings.load({}, data_dir=str(tmp_path))
    assert str(refused.value).startswith(f"redis.url in {file} does not begin with redis://")


def test_a_variable_stands_for_a_malformed_address_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "eulermaker.toml").write_text("[redis]\nurl = 'host:6379'")
    assert Settings.load({"REDIS_URL": "none"}, data_dir=str(tmp_path)).redis.url == "none"
