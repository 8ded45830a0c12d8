"""What a backup consists of: a directory whose manifest, written last, names all else.

manifest.json   what there is, with digests, and where the log ended
tables/         rows as PostgreSQL's COPY writes them, all of one moment
blobs/, logs/   content-addressed files, at least all that the rows refer to
secrets.key     opens the stored secrets: keep the backup as safe as the service
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import click
import msgspec

from adapters.postgres.table_copies import CopiedDatabase
from api.cli.packing import pieces
from api.settings import Settings

FORMAT = 1
MANIFEST = "manifest.json"
TABLES = "tables"
KEY_FILE = "secrets.key"
INCOMING = ".incoming"
SHA256 = "sha256"

Progress = Callable[[int, int], None]


class FileTree(msgspec.Struct, frozen=True, kw_only=True):
    """Content-addressed files: how many, and how many bytes; their names are their digests."""

    name: str
    files: int
    bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """key_sha256: of the key file; empty where there was none yet."""

    format: int
    backup_id: str
    made_at: datetime
    release: str
    database: CopiedDatabase
    trees: tuple[FileTree, ...]
    key_sha256: str


class DamagedBackup(click.ClickException):
    """A file of the backup is not what its manifest says."""


def trees_of(settings: Settings) -> dict[str, Path]:
    """By their name in a backup."""
    return {"blobs": settings.blob_directory, "logs": settings.log_directory}


def copy_tree(name: str, source: Path, target: Path, progress: Progress) -> FileTree:
    """Each file is checked on the way; afterwards all of them are on the disk."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = done = 0
    for path in list(_content(source)):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # deleted meanwhile, because no event refers to it
            done += _copy_checked(path, copy)
            files += 1
        progress(done, 0)
    os.sync()
    return FileTree(name=name, files=files, bytes=done)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    path = directory / MANIFEST
    path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    os.sync()


def read_manifest(directory: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise DamagedBackup(f"{directory} is no finished backup: it has no {MANIFEST}.") from error
    except msgspec.MsgspecError as error:
        raise DamagedBackup(f"{directory / MANIFEST} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise DamagedBackup(
            f"{directory} has format {manifest.format}; this release knows {FORMAT}."
        )
    return manifest


def check_tables(directory: Path, manifest: Manifest) -> None:
    """Before anything is changed."""
    for table in manifest.database.tables:
        path = directory / TABLES / table.file
        if not path.is_file() or sha256_of(path) != table.sha256:
            raise DamagedBackup(f"{path} is not what the manifest says. Take another backup.")
    key = directory / KEY_FILE
    if manifest.key_sha256 and (not key.is_file() or sha256_of(key) != manifest.key_sha256):
        raise DamagedBackup(f"{key} is not what the manifest says. Take another backup.")


def check_count(tree: FileTree, copied: FileTree) -> None:
    if (tree.files, tree.bytes) != (copied.files, copied.bytes):
        raise DamagedBackup(
            f"The backup should have {tree.files} files of {tree.name} with {tree.bytes} bytes,"
            f" but has {copied.files} with {copied.bytes}. Take another backup."
        )


def copy_key(source: Path, target: Path) -> str:
    """Readable by the owner only from its first byte on; its SHA-256, empty where there is none."""
    if not source.is_file():
        return ""
    target.touch(mode=0o600)
    target.write_bytes(source.read_bytes())
    return sha256_of(target)


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in pieces(file):
            digest.update(piece)
    return digest.hexdigest()


def _content(root: Path) -> Iterator[Path]:
    """Not what is still on its way in."""
    if not root.is_dir():
        return
    for path in sorted(root.rglob("*")):
        if path.is_file() and INCOMING not in path.relative_to(root).parts:
            yield path


def _copy_checked(source: Path, target: Path) -> int:
    digest = hashlib.sha256()
    count = 0
    with source.open("rb") as reading, target.open("wb") as writing:
        for piece in pieces(reading):
            digest.update(piece)
            writing.write(piece)
            count += len(piece)
    shutil.copymode(source, target)
    if _named(source.parts) not in {"", digest.hexdigest()}:
        raise DamagedBackup(f"{source} is damaged: its content does not have its digest.")
    return count


def _named(parts: Sequence[str]) -> str:
    """`…/sha256/ab/cdef…` is named for its SHA-256; other files are not."""
    return "".join(parts[-2:]) if SHA256 in parts[-3:-2] else ""
