"""Who runs the servers of a data directory: one `eulermaker up`, which starts and stops them, and
while it does not run the commands that need them, the last of which stops them."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from adapters.embedded.errors import EmbeddedServerError
from adapters.embedded.processes import share_lock, try_lock


@contextmanager
def own_data_directory(data_dir: Path) -> Generator[None]:
    """Hold the directory until the end; a second owner is refused by the name of the first.

    The kernel gives the lock back when its holder dies, so there is nothing to clean up after a
    kill. A child made by a bare fork would hold it on: start roles by exec.
    """
    path = data_dir / "up.lock"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with try_lock(path) as lock:
            if lock is None:
                raise EmbeddedServerError(_taken(data_dir, path.read_text().strip()))
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
            yield
    except PermissionError as error:
        raise EmbeddedServerError(
            f"{error.filename} cannot be used by this user. Start as its owner, or name another"
            " data directory."
        ) from error


@contextmanager
def use_servers(data_dir: Path) -> Generator[Callable[[], bool]]:
    """Hold while the servers are needed; yields whether nobody else needs them.

    Once that is true, whoever comes waits for the end: the servers may be stopped.
    """
    with share_lock(_users(data_dir)) as is_alone:
        yield is_alone


def are_servers_used(data_dir: Path) -> bool:
    with try_lock(_users(data_dir)) as lock:
        return lock is None


def _users(data_dir: Path) -> Path:
    return data_dir / "users.lock"


def _taken(data_dir: Path, pid: str) -> str:
    return (
        f"The data directory {data_dir} is in use by process {pid or '(just starting)'}."
        " Stop that one first, or name another data directory."
    )
