"""The installation's keys in a file that only its owner reads: made at the first start, then kept.

Without this file no stored secret can be read again: it belongs in every backup.
"""

import os
import secrets
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from adapters.storage.files import append_to, ensure_directory, new_file, sync_directory

KEY_BYTES = 32


class KeyFileError(Exception):
    """The key file cannot be used; the message says what to do."""


class WrappingKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    key: bytes

    def __repr__(self) -> str:
        return f"WrappingKey(id={self.id!r})"


class KeyRing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """wrapping: the newest first; older ones only read. comparing: the root of the HMACs, which
    stays, so that values stored before and after a rotation still compare."""

    comparing: bytes
    wrapping: tuple[WrappingKey, ...]

    @property
    def current(self) -> WrappingKey:
        return self.wrapping[0]

    def find(self, key_id: str) -> WrappingKey | None:
        return next((key for key in self.wrapping if key.id == key_id), None)

    def __repr__(self) -> str:
        return f"KeyRing(wrapping={self.wrapping!r})"


def new_key_ring() -> KeyRing:
    return KeyRing(comparing=secrets.token_bytes(KEY_BYTES), wrapping=(_new_key(),))


def load_or_create_key(path: Path) -> KeyRing:
    """Blocks. Of several starters one creates it, and all get that one. Raises KeyFileError."""
    with _usable(path):
        if not path.exists():
            _create(path)
        return _load(path)


def load_key(path: Path) -> KeyRing:
    """Blocks. Raises KeyFileError, also where there is none."""
    with _usable(path):
        return _load(path)


def add_key(path: Path) -> KeyRing:
    """Blocks. A new wrapping key for what is stored from now on. One caller at a time."""
    with _usable(path):
        ring = _load(path)
        return _replace(path, (_new_key(), *ring.wrapping))


def retire_keys(path: Path) -> KeyRing:
    """Blocks. Only the newest wrapping key stays: nothing may need another. One at a time."""
    with _usable(path):
        return _replace(path, _load(path).wrapping[:1])


@contextmanager
def _usable(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise KeyFileError(f"The key file {path} cannot be used: {error.strerror}.") from error


def _new_key() -> WrappingKey:
    return WrappingKey(id=secrets.token_hex(8), key=secrets.token_bytes(KEY_BYTES))


def _create(path: Path) -> None:
    ensure_directory(path.parent)
    file = new_file(path.parent)
    append_to(file, msgspec.json.encode(new_key_ring()), sync=True)
    try:
        with suppress(FileExistsError):  # another starter was faster: its key counts
            path.hardlink_to(file)
    finally:
        file.unlink()
    sync_directory(path.parent)


def _replace(path: Path, wrapping: tuple[WrappingKey, ...]) -> KeyRing:
    """The old file or the new one, whatever happens; whose it is does not change."""
    ring = msgspec.structs.replace(_load(path), wrapping=wrapping)
    file = path.with_name(f"{path.name}.new")
    file.unlink(missing_ok=True)  # of somebody who was killed here
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    old = path.stat()
    os.chown(file, old.st_uid, old.st_gid)
    append_to(file, msgspec.json.encode(ring), sync=True)
    file.replace(path)
    sync_directory(path.parent)
    return ring


def _load(path: Path) -> KeyRing:
    status = path.stat()
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"Others can read the key file {path}. Close it: chmod 600 {path}")
    if status.st_uid not in {os.geteuid(), 0}:
        raise KeyFileError(f"The key file {path} belongs to another user. Give it back: chown.")
    try:
        ring = msgspec.json.decode(path.read_bytes(), type=KeyRing)
    except msgspec.DecodeError:
        ring = None  # the decoder's words could quote the file
    keys = _all_keys(ring) if ring else ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise KeyFileError(f"The key file {path} is damaged. Restore it from a backup.")
    assert ring is not None
    return ring


def _all_keys(ring: KeyRing) -> Sequence[bytes]:
    return (ring.comparing, *(key.key for key in ring.wrapping)) if ring.wrapping else ()
