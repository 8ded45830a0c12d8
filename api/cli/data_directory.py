"""What `up` leaves in its data directory so that the CLI just works on the same machine."""

import os
import secrets
from pathlib import Path

import msgspec

CHECKOUT = Path(__file__).parents[2]
SYSTEM_DIRECTORY = Path("/var/lib/eulermaker")


class DataDirectory(msgspec.Struct, frozen=True):
    """server: the address clients use. base_image: what builds start from that name none.

    Both keys are readable by their owner only.
    """

    path: Path

    @property
    def admin_key(self) -> Path:
        return self.path / "admin.key"

    @property
    def server(self) -> Path:
        return self.path / "server"

    @property
    def base_image(self) -> Path:
        return self.path / "base-image"

    @property
    def service_password(self) -> Path:
        return self.path / "service-password"

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    def log_of(self, role: str) -> Path:
        return self.path / "logs" / f"{role}.log"


def default_path() -> Path:
    """As `ops/up` decides: for root the system's place, where the servers' account may come too;
    for others `var` of the checkout, or of the working directory where there is none."""
    if os.geteuid() == 0:
        return SYSTEM_DIRECTORY
    root = CHECKOUT if (CHECKOUT / "pyproject.toml").is_file() else Path.cwd()
    return root / "var"


def read_text(path: Path) -> str | None:
    """None where it does not exist, is empty or is not ours to read."""
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def write_private(path: Path, text: str) -> None:
    """At one stroke, readable by the owner only from its first byte on."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    unfinished.rename(path)


def ensure_secret(path: Path) -> str:
    known = read_text(path)
    if known is not None:
        return known
    secret = secrets.token_hex(32)
    write_private(path, secret)
    return secret
