"""SHA-256 as we write it everywhere: `sha256:<hex>`."""

import hashlib
import re

PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def named(sha256: bytes) -> str:
    return f"sha256:{sha256.hex()}"


def sha256_of(digest: str) -> bytes:
    return bytes.fromhex(digest.removeprefix("sha256:"))


class RunningDigest:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, content: bytes) -> None:
        self._hash.update(content)

    def __str__(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
