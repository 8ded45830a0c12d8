"""Durable files: what a crash may leave behind is the old state or the new one, never a half."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from domain.errors import StoreUnavailable


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
    """`source` is synced already; both are on one file system."""
    ensure_directory(target.parent)
    source.replace(target)
    sync_directory(target.parent)
