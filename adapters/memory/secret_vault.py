"""Secrets in memory, for tests: the same promises as the encrypted vault, except surviving."""

import hmac
from secrets import token_bytes, token_hex

from domain.errors import SecretMissing


class InMemorySecretVault:
    def __init__(self) -> None:
        self._key = token_bytes(32)
        self._values: dict[tuple[str, str], str] = {}

    async def put(self, tenant: str, value: str) -> tuple[str, str]:
        reference = f"secret-{token_hex(16)}"
        self._values[tenant, reference] = value
        message = f"{tenant}\0{value}".encode()
        return reference, hmac.digest(self._key, message, "sha256").hex()

    async def get(self, tenant: str, reference: str) -> str:
        try:
            return self._values[tenant, reference]
        except KeyError:
            raise SecretMissing(reference) from None

    async def erase(self, tenant: str, reference: str) -> None:
        self._values.pop((tenant, reference), None)
