"""Where a server listens and with what password: one private file, written before it starts."""

import os
import secrets
import socket
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from adapters.embedded.errors import EmbeddedServerError

LOOPBACK = "127.0.0.1"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    password: str
    port: int


def new_connection() -> Connection:
    return Connection(password=secrets.token_hex(24), port=_free_port())


def read_connection(path: Path) -> Connection | None:
    try:
        url = urlsplit(path.read_text().strip())
        password, port = url.password, url.port
    except FileNotFoundError:
        return None
    except ValueError:
        password, port = None, None
    if not password or not port:
        raise EmbeddedServerError(f"{path} holds no connection URL. Restore it from a backup.")
    return Connection(password=password, port=port)


def with_free_port(connection: Connection) -> Connection:
    """The same port as last time, so that clients find the server again, unless it is taken."""
    if _is_free(connection.port):
        return connection
    return Connection(password=connection.password, port=_free_port())


def write_private(path: Path, text: str, *, owner: int | None = None) -> None:
    """Replace the file at one stroke; only its owner reads it."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if owner is not None and os.geteuid() == 0:
            os.fchown(descriptor, owner, -1)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    unfinished.rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
