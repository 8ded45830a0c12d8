"""What stands outside the log, because it must be possible to erase it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """owner: the stream of the aggregate that it was put for; empty where nobody can need it."""

    tenant: str
    reference: str
    owner: str


class SecretVault(Protocol):
    """Secret values outside the log: encrypted, by reference."""

    async def put(self, tenant: str, value: str, *, owner: str) -> tuple[str, str]:
        """(reference, HMAC of the value). owner: the stream whose events will name it.

        Put again for the same owner, a value has the same reference, and is young again.
        """
        ...

    async def get(self, tenant: str, reference: str) -> str: ...

    async def erase(self, tenant: str, references: Collection[str]) -> None:
        """Forgotten when it returns; also where there was nothing."""
        ...

    async def erase_old(self, tenant: str, reference: str, before: datetime) -> None:
        """Unless it was put again since then: somebody may be about to name it."""
        ...

    async def list_old(
        self, before: datetime, *, after: StoredSecret | None = None, limit: int = 200
    ) -> Sequence[StoredSecret]:
        """What was put before then, in an order of its own; after: the last one of a page."""
        ...


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
