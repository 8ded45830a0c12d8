"""What stands outside the log, because it must be possible to erase it."""

from collections.abc import Collection, Mapping
from typing import Protocol


class SecretVault(Protocol):
    """Secret values outside the log: encrypted, by reference."""

    async def put(self, tenant: str, value: str) -> tuple[str, str]:
        """(reference, HMAC of the value)."""
        ...

    async def get(self, tenant: str, reference: str) -> str: ...


class Identities(Protocol):
    """What opaque ids are called (`key:<id>`): outside the log, because it may name a person."""

    async def put(self, tenant: str, subject: str, label: str) -> None:
        """The label of a new subject, or another of a known one."""
        ...

    async def labels(self, tenant: str, subjects: Collection[str]) -> Mapping[str, str]:
        """Of those that have one."""
        ...

    async def erase(self, tenant: str, subject: str) -> None:
        """Forgotten when it returns; also where there was nothing."""
        ...
