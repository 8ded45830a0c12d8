"""The blocking half of the blob store: what runs in its threads, a step at a time."""

import errno
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from adapters.storage.digests import PATTERN, RunningDigest, digest_of
from adapters.storage.files import (
    append_to,
    ensure_directory,
    locked,
    move_into_place,
    new_file,
    storage_errors,
    sync_directory,
)
from domain.errors import BlobDamaged, BlobMissing
from domain.ports import BlobStat

ALGORITHM = "sha256"
OWNER_FILE = ".installation"
SHARDS = tuple(f"{number:02x}" for number in range(256))


def path_of(directory: Path, digest: str) -> Path:
    """Two levels only: 256 directories a tenant."""
    if not PATTERN.fullmatch(digest):
        raise BlobMissing(digest)
    name = digest.removeprefix(f"{ALGORITHM}:")
    return directory / ALGORITHM / name[:2] / name[2:]


def begin(incoming: Path) -> Path:
    with storage_errors():
        ensure_directory(incoming)
        return new_file(incoming)


def write_piece(file: Path, piece: bytes, digest: RunningDigest) -> None:
    digest.add(piece)
    with storage_errors():
        append_to(file, piece)


def finish(file: Path, target: Path) -> None:
    with storage_errors():
        append_to(file, b"", sync=True)
        move_into_place(file, target)


def discard(file: Path) -> None:
    with storage_errors():
        file.unlink(missing_ok=True)


def put_whole(incoming: Path, directory: Path, content: bytes) -> BlobStat:
    digest = digest_of(content)
    file = begin(incoming)
    try:
        with storage_errors():
            append_to(file, content, sync=True)
            move_into_place(file, path_of(directory, digest))
    except BaseException:
        discard(file)
        raise
    return BlobStat(digest=digest, size=len(content))


def size_of(path: Path) -> int | None:
    with storage_errors():
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None


def read_whole(path: Path, digest: str) -> bytes:
    found = RunningDigest()
    content = read_piece(path, digest, 0, size_of(path) or 0, found)
    if str(found) != digest:
        raise BlobDamaged(digest)
    return content


def read_piece(path: Path, digest: str, start: int, length: int, found: RunningDigest) -> bytes:
    content = _read(path, digest, start, length)
    found.add(content)
    return content


def _read(path: Path, digest: str, start: int, length: int) -> bytes:
    with storage_errors():
        try:
            with path.open("rb", buffering=0) as file:
                return os.pread(file.fileno(), length, start)
        except FileNotFoundError as error:
            raise BlobMissing(digest) from error
        except OSError as error:
            if error.errno == errno.EIO:  # the disk itself noticed
                raise BlobDamaged(digest) from error
            raise


def remove(paths: Iterable[Path]) -> None:
    with storage_errors():
        for path in paths:
            path.unlink(missing_ok=True)


def list_shard(directory: Path, shard: str, before: float) -> list[str]:
    with storage_errors():
        files = (directory / ALGORITHM / shard).glob("*")
        return [f"{ALGORITHM}:{shard}{file.name}" for file in files if _is_older(file, before)]


def touch(path: Path) -> int | None:
    """Its size; None where there is none."""
    with storage_errors():
        try:
            with locked(path.parent, shared=True):
                os.utime(path)
                return path.stat().st_size
        except FileNotFoundError:
            return None


def remove_older(files: Mapping[str, Path], before: float) -> list[BlobStat]:
    """By digest. Each is looked at and removed while nobody can touch it or put it anew."""
    removed: list[BlobStat] = []
    with storage_errors():
        for digest, path in files.items():
            with suppress(FileNotFoundError), locked(path.parent):
                if _is_older(path, before):
                    removed.append(BlobStat(digest=digest, size=path.stat().st_size))
                    path.unlink()
    return removed


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:  # removed meanwhile
        return False


def tenants(root: Path, pattern: re.Pattern[str]) -> list[str]:
    with storage_errors():
        names = (path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else ()
        return sorted(name for name in names if pattern.fullmatch(name))


def first_owner(root: Path, incoming: Path, name: str) -> str:
    """Of those that ever asked, by name."""
    path = root / OWNER_FILE
    with storage_errors():
        if not path.exists():
            ensure_directory(incoming)
            file = new_file(incoming)
            append_to(file, name.encode(), sync=True)
            with suppress(FileExistsError):  # another was faster
                path.hardlink_to(file)
            file.unlink()
            sync_directory(root)
        return path.read_text()


def sweep(incoming: Path, older_than: float) -> None:
    with storage_errors():
        ensure_directory(incoming)
        for file in incoming.iterdir():
            try:
                if file.stat().st_mtime < older_than:
                    file.unlink()
            except FileNotFoundError:
                continue
