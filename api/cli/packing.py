"""A directory as a tar for an image build: `.dockerignore` applied, the same bytes every time."""

import hashlib
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click
import msgspec

MODIFIED_AT = 315_532_800  # 1980-01-01, like the packages we build
PIECE_BYTES = 1024 * 1024
EXECUTABLE, PLAIN = 0o755, 0o644


class LocalFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be uploaded, with the digest it must have there."""

    path: Path
    name: str
    digest: str
    size: int


def describe(path: Path, name: str | None = None) -> LocalFile:
    digest = hashlib.sha256()
    count = 0
    with path.open("rb") as file:
        for piece in pieces(file):
            digest.update(piece)
            count += len(piece)
    return LocalFile(
        path=path, name=name or path.name, digest=f"sha256:{digest.hexdigest()}", size=count
    )


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def pack_context(context: Path, dockerfile: str, directory: Path) -> LocalFile:
    """A tar in `directory`, without owners, times or anything else of this machine."""
    if not (context / dockerfile).is_file():
        raise click.UsageError(f"{context} has no {dockerfile}. Name the right one: --dockerfile")
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".tar", delete=False) as target:
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in _included(context, dockerfile):
                _add(tar, context / name, name)
        packed = Path(target.name)
    return describe(packed, name="context.tar")


def _included(context: Path, dockerfile: str) -> list[str]:
    from docker.utils.build import exclude_paths

    ignore = context / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return sorted(exclude_paths(str(context), patterns, dockerfile=dockerfile))


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    found = path.lstat()
    entry = tarfile.TarInfo(name)
    entry.mtime = MODIFIED_AT
    entry.mode = EXECUTABLE
    if stat.S_ISLNK(found.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
    elif stat.S_ISDIR(found.st_mode):
        entry.type = tarfile.DIRTYPE
    elif stat.S_ISREG(found.st_mode):
        entry.mode = EXECUTABLE if found.st_mode & stat.S_IXUSR else PLAIN
        entry.size = found.st_size
        with path.open("rb") as file:
            tar.addfile(entry, file)
        return
    else:
        return  # sockets, devices and the like
    tar.addfile(entry)
