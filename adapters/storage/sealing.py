"""Envelope encryption of secret values: AES-256-GCM under a key per value, wrapped by another.

What is sealed is bound to its place (tenant and reference): moved elsewhere it does not open.
"""

import hmac
import secrets
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.storage.keys import KeyRing
from domain.errors import SecretUnreadable

NONCE_BYTES = 12
REFERENCE_DIGITS = 32


class Place(msgspec.Struct, frozen=True):
    tenant: str
    reference: str

    def bound(self, *more: str) -> bytes:
        """As JSON: no two places give the same bytes."""
        return msgspec.json.encode((self.tenant, self.reference, *more))


class Sealed(msgspec.Struct, frozen=True):
    key_id: str
    wrapped_key: bytes
    ciphertext: bytes


class Sealer:
    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._comparing = _derive(keys.comparing, b"eulermaker secret comparison")

    @property
    def key_id(self) -> str:
        """Of the key that wraps from now on."""
        return self._keys.current.id

    def seal(self, place: Place, value: str) -> Sealed:
        data_key = AESGCM.generate_key(256)
        return Sealed(
            self.key_id,
            self._wrap(place, data_key),
            _encrypt(data_key, value.encode(), place.bound()),
        )

    def open(self, place: Place, sealed: Sealed) -> str:
        """Raises SecretUnreadable."""
        data_key = self._unwrap(place, sealed)
        return _decrypt(data_key, sealed.ciphertext, place.bound(), place).decode()

    def rewrap(self, place: Place, sealed: Sealed) -> Sealed:
        """The same ciphertext; its key wrapped by the current key. Raises SecretUnreadable."""
        data_key = self._unwrap(place, sealed)
        return Sealed(self.key_id, self._wrap(place, data_key), sealed.ciphertext)

    def compare(self, tenant: str, value: str) -> str:
        """Equal for equal values of one tenant; tells nothing without our key."""
        return self._hmac(tenant, value)

    def reference(self, tenant: str, owner: str, value: str) -> str:
        """Where the value is kept for its owner: always the same place, and nobody else's."""
        return f"secret-{self._hmac(tenant, owner, value)[:REFERENCE_DIGITS]}"

    def _hmac(self, *parts: str) -> str:
        message = msgspec.json.encode(parts)
        return hmac.new(self._comparing, message, sha256).hexdigest()

    def _wrap(self, place: Place, data_key: bytes) -> bytes:
        current = self._keys.current
        return _encrypt(current.key, data_key, place.bound(current.id))

    def _unwrap(self, place: Place, sealed: Sealed) -> bytes:
        key = self._keys.find(sealed.key_id)
        if key is None:
            raise SecretUnreadable(place.reference)
        return _decrypt(key.key, sealed.wrapped_key, place.bound(key.id), place)


def _encrypt(key: bytes, content: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, bound)


def _decrypt(key: bytes, sealed: bytes, bound: bytes, place: Place) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise SecretUnreadable(place.reference) from None


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key)
