"""The log of a role: one file that it appends to, and the one before; both bounded."""

import os
import shutil
from pathlib import Path
from typing import IO

KEPT_BYTES = 20 * 1024 * 1024


def open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    keep_small(path)
    return _open(path, os.O_APPEND)


def keep_small(path: Path) -> None:
    """Beyond KEPT_BYTES its end is copied beside it and it begins anew, also while it is written.

    Who writes it appends, and so goes on at its new end. What is written in the moment between
    copying and cutting is lost. Raises OSError.
    """
    if not path.exists() or path.stat().st_size <= KEPT_BYTES:
        return
    with path.open("r+b") as log, _open(previous(path), os.O_TRUNC) as kept:
        log.seek(-KEPT_BYTES, os.SEEK_END)
        shutil.copyfileobj(log, kept)
        log.truncate(0)


def previous(path: Path) -> Path:
    return path.with_suffix(".previous.log")


def last_lines(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []


def _open(path: Path, how: int) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "wb")
