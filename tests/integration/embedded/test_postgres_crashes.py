import os
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from adapters.embedded import EmbeddedPostgres
from adapters.embedded.accounts import server_account
from tests.integration.embedded.support import (
    family,
    kill,
    let_start,
    processes_with,
    starter,
    url_of,
    wait_until,
)

WRITERS = 4
ROWS_BEFORE_THE_KILL = 200


def _postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres/data/postmaster.pid").read_text().split()[0])


def _data(data_dir: Path) -> str:
    return str(data_dir.resolve() / "postgres/data")


def _write(url: str, acknowledged: list[int]) -> None:
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            while True:
                row = connection.execute("INSERT INTO log DEFAULT VALUES RETURNING id").fetchone()
                assert row is not None
                acknowledged.append(row[0])
    except psycopg.OperationalError:
        return  # the server was killed


@contextmanager
def _writers(url: str) -> Generator[list[int]]:
    """Rows acknowledged by the server; leaves when all writers have lost it."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE log (id bigserial PRIMARY KEY)")
    acknowledged: list[int] = []
    threads = [threading.Thread(target=_write, args=(url, acknowledged)) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= ROWS_BEFORE_THE_KILL)
    yield acknowledged
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()


def _stored(url: str) -> set[int]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM log")}


def test_acknowledged_rows_survive_a_kill_of_the_postmaster(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    with _writers(postgres.start()) as acknowledged:
        kill({_postmaster(data_dir)})
        url = postgres.start()
    assert _stored(url) >= set(acknowledged)


def test_acknowledged_rows_survive_a_kill_of_the_whole_tree(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    with starter("EmbeddedPostgres", data_dir) as process:
        let_start(process)
        with _writers(url_of(process)) as acknowledged:
            kill({process.pid, *family(_postmaster(data_dir))})
        assert _stored(postgres.start()) >= set(acknowledged)


def test_the_server_outlives_a_killed_starter_and_is_taken_over(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    with starter("EmbeddedPostgres", data_dir) as process:
        let_start(process)
        url = url_of(process)
        before = _postmaster(data_dir)
    assert postgres.start() == url
    assert _postmaster(data_dir) == before
    postgres.stop()
    assert not postgres.is_running()


def test_a_dead_server_is_noticed_and_started_again(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    url = postgres.start()
    kill({_postmaster(data_dir)})
    wait_until(lambda: not postgres.is_running())
    assert postgres.start() == url
    assert postgres.is_running()


def test_a_half_done_initdb_is_recovered(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    unfinished = data_dir / "postgres/data.new"
    with starter("EmbeddedPostgres", data_dir) as process:
        let_start(process)
        wait_until((unfinished / "global").is_dir)
        initdb = processes_with(f"--pgdata={unfinished.resolve()}")
        kill({process.pid, *initdb})
    assert unfinished.is_dir()
    assert postgres.start()
    assert not unfinished.exists()


def test_an_initdb_that_outlives_its_starter_is_not_disturbed(
    postgres: EmbeddedPostgres, data_dir: Path
) -> None:
    with starter("EmbeddedPostgres", data_dir) as process:
        let_start(process)
        wait_until((data_dir / "postgres/data.new/global").is_dir)
        kill({process.pid})
    assert _stored_nothing(postgres.start())


def _stored_nothing(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return not connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'").rowcount


@contextmanager
def _process_of_the_account(program: str) -> Generator[int]:
    """PostgreSQL alone would take it for the server the pid file speaks of."""
    account = server_account()
    root = os.geteuid() == 0
    with subprocess.Popen(  # noqa: S603 - constant programs
        ["/bin/sh", "-c", program],
        user=account.uid if root else None,
        group=account.gid if root else None,
    ) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@contextmanager
def _stranger() -> Generator[int]:
    with _process_of_the_account("exec sleep 300") as pid:
        yield pid


@contextmanager
def _zombie() -> Generator[int]:
    with _process_of_the_account("exit 0") as pid:
        wait_until(lambda: ") Z " in Path(f"/proc/{pid}/stat").read_text())
        yield pid


@pytest.mark.parametrize("holder", [_stranger, _zombie])
def test_a_stale_pid_file_that_names_another_process_is_seen_through(
    postgres: EmbeddedPostgres, data_dir: Path, holder: Callable[[], AbstractContextManager[int]]
) -> None:
    postgres.start()
    kill(family(_postmaster(data_dir)))
    wait_until(lambda: not postgres.is_running())
    with holder() as pid:
        for path in (
            data_dir / "postgres/data/postmaster.pid",
            *(data_dir / "postgres/run").glob(".s.PGSQL.*.lock"),
        ):
            lines = path.read_text().splitlines()
            path.write_text("\n".join([str(pid), *lines[1:], ""]))
        assert not postgres.is_running()
        assert postgres.start()
        assert _postmaster(data_dir) != pid


def test_a_half_written_pid_file_is_no_server(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    postgres.start()
    postgres.stop()
    (data_dir / "postgres/data/postmaster.pid").write_text("")
    assert not postgres.is_running()
    assert postgres.start()


def test_starters_that_race_get_one_server(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    with ExitStack() as stack:
        starters = [stack.enter_context(starter("EmbeddedPostgres", data_dir)) for _ in range(4)]
        for process in starters:
            let_start(process)
        urls = {url_of(process) for process in starters}
        assert urls == {postgres.start()}
        assert urls != {""}
        wait_until(lambda: processes_with(_data(data_dir)) == {_postmaster(data_dir)})
