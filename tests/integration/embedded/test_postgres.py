import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from adapters.embedded import EmbeddedPostgres, EmbeddedServerError
from tests.integration.embedded.support import wait_until


def _setting(url: str, name: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_start_gives_an_empty_database_of_that_name(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.start()) as connection:
        tables = connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'")
        assert connection.info.dbname == "eulermaker"
        assert tables.rowcount == 0


def test_a_second_start_attaches_to_the_same_server(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    url = postgres.start()
    assert EmbeddedPostgres(data_dir).start() == url
    assert postgres.start() == url
    assert EmbeddedPostgres(data_dir).is_running()


def test_rows_outlive_a_stop_and_the_url_stays(postgres: EmbeddedPostgres) -> None:
    url = postgres.start()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    postgres.stop()
    assert not postgres.is_running()
    assert postgres.start() == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_stop_is_harmless_before_start_and_twice(postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    postgres.start()
    postgres.stop()
    postgres.stop()
    assert not postgres.is_running()


def test_whoever_attached_can_stop_the_server(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    postgres.start()
    EmbeddedPostgres(data_dir).stop()
    wait_until(lambda: not postgres.is_running())  # its pid file goes before it does


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C.UTF-8"),
        ("timezone", "UTC"),
        ("password_encryption", "scram-sha-256"),
        ("unix_socket_permissions", "0700"),
    ],
)
def test_the_server_is_durable_and_private(shared_url: str, name: str, value: str) -> None:
    assert _setting(shared_url, name) == value


def test_a_durability_switched_off_in_its_file_stays_on(
    postgres: EmbeddedPostgres,
) -> None:
    with psycopg.connect(postgres.start(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
    postgres.stop()
    assert _setting(postgres.start(), "fsync") == "on"


def test_a_wrong_password_is_refused_over_tcp_and_socket(shared_url: str) -> None:
    url = urlsplit(shared_url)
    sockets = _setting(shared_url, "unix_socket_directories")
    for host in ("127.0.0.1", sockets):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(
                host=host, port=url.port, user="eulermaker", password="guess", dbname="eulermaker"
            )


def test_the_url_is_readable_by_its_owner_only(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    url = postgres.start()
    path = data_dir / "postgres" / "url"
    assert path.read_text().strip() == url
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_port_taken_meanwhile_is_replaced(postgres: EmbeddedPostgres) -> None:
    port = urlsplit(postgres.start()).port
    postgres.stop()
    with socket.create_server(("127.0.0.1", port or 0)):
        url = postgres.start()
        assert urlsplit(url).port != port
        assert _setting(url, "fsync") == "on"


def test_libpq_variables_of_the_user_do_not_reach_the_server(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGSSLMODE", "require")
    assert postgres.start()


def test_a_directory_of_another_major_version_is_refused(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    postgres.start()
    postgres.stop()
    (data_dir / "postgres/data/PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match=r"PostgreSQL 17, .* PostgreSQL 18.*pg_upgrade"):
        postgres.start()


def test_a_directory_that_holds_no_database_is_refused(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    postgres.start()
    postgres.stop()
    (data_dir / "postgres/data/PG_VERSION").unlink()
    with pytest.raises(EmbeddedServerError, match="holds no database"):
        postgres.start()


def test_a_lost_password_is_named_not_replaced(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    postgres.start()
    postgres.stop()
    (data_dir / "postgres/url").unlink()
    with pytest.raises(EmbeddedServerError, match="url is missing"):
        postgres.start()


def test_a_server_that_cannot_start_is_reported_with_its_last_words(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    postgres.start()
    postgres.stop()
    configuration = data_dir / "postgres/data/postgresql.conf"
    configuration.write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        postgres.start()


def test_nothing_of_it_runs_as_root_or_nobody(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    postgres.start()
    pid = (data_dir / "postgres/data/postmaster.pid").read_text().split()[0]
    owner = Path("/proc", pid).stat().st_uid
    assert owner not in {0, 65534} or owner == os.geteuid() != 0
