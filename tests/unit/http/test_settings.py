from pathlib import Path

import pytest

from api.settings import Settings, SettingsError


def write(directory: Path, text: str) -> dict[str, str]:
    (directory / "eulermaker.toml").write_text(text)
    return {"EULERMAKER_DATA_DIR": str(directory)}


def test_without_anything_the_service_listens_on_loopback() -> None:
    assert Settings.load({}).server.host == "127.0.0.1"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environment = write(tmp_path, "[server]\nport = 1\nhost = 'a'")
    server = Settings.load({**environment, "EULERMAKER_SERVER_PORT": "2"}).server
    assert (server.host, server.port) == ("a", 2)


def test_the_usual_variables_of_others_are_understood() -> None:
    settings = Settings.load(
        {"DATABASE_URL": "postgresql://x", "DOCKER_TLS_VERIFY": "yes", "EULERMAKER_BASE_IMAGE": "b"}
    )
    assert settings.database.url == "postgresql://x"
    assert settings.engine.tls_verify
    assert settings.builds.base_image == "b"


def test_a_list_is_separated_by_commas() -> None:
    settings = Settings.load({"EULERMAKER_SERVER_ALLOWED_ORIGINS": "https://a, https://b"})
    assert settings.server.allowed_origins == ("https://a", "https://b")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1", "prot"),
        ("[server]\nport = 'many'", "port"),
        ("[nothing]\n", "nothing"),
        ("not toml", "eulermaker.toml"),
        ("data_dir = '/srv'", "`data_dir` has no effect there. Use --data-dir"),
        ("[client]\nurl = 'https://a'", "`client` has no effect there. .* EULERMAKER_URL"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EULERMAKER_SERVER_PROT", "1"),
        ("EULERMAKER_SERVER_PORT", "many"),
        ("EULERMAKER_SERVER_PORT", "70000"),
        ("EULERMAKER_NOTHING", "1"),
        ("EULERMAKER_STORAGE_UNUSED_BLOB_SECONDS", "60"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.load({name: text})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        Settings.load({"EULERMAKER_CONFIG": str(tmp_path / "missing.toml")})


def test_the_command_line_wins_over_all(tmp_path: Path) -> None:
    assert Settings.load({"EULERMAKER_DATA_DIR": "x"}, data_dir=str(tmp_path)).directory == tmp_path
