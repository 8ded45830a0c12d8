"""Durable files: what a crash may leave behind is the old state or the new one, never a half."""

import errno
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from domain.errors import StoreUnavailable

LOCK_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.005


@contextmanager
def storage_errors() -> Generator[None]:
    """A full or broken disk is a service that is away for now, not a mistake of the client."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreUnavailable(
            f"The storage directory cannot be used: {reason}. Check its disk and permissions."
        ) from error


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ensure_directory(path: Path) -> None:
    """Make it and its parents, durably, open to the owner only."""
    if path.is_dir():
        return
    ensure_directory(path.parent)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    sync_directory(path.parent)


def new_file(directory: Path) -> Path:
    path = directory / uuid4().hex
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def append_to(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Never creates: a file that was discarded meanwhile stays away."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(source: Path, target: Path) -> None:
    """`source` is synced already; both are on one file system. It is young from now on."""
    ensure_directory(target.parent)
    with locked(target.parent, shared=True):
        os.utime(source)
        source.replace(target)
    sync_directory(target.parent)


@contextmanager
def locked(directory: Path, *, shared: bool = False) -> Generator[None]:
    """Blocks. Among all threads and processes; what a killed one held is free again.

    shared: who changes the age of files in it. Alone: who removes them for their age.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise OSError(errno.ETIMEDOUT, "another process keeps it locked") from error
            time.sleep(LOOK_AGAIN_SECONDS)
        else:
            return
