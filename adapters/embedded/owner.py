"""Who runs the servers of a data directory: one `eulermaker up`, which starts and stops them."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from adapters.embedded.errors import EmbeddedServerError
from adapters.embedded.processes import try_lock


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


def _taken(data_dir: Path, pid: str) -> str:
    return (
        f"The data directory {data_dir} is in use by process {pid or '(just starting)'}."
        " Stop that one first, or name another data directory."
    )
