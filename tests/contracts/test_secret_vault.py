"""What every SecretVault does, in memory and encrypted in PostgreSQL."""

import asyncio
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.memory.secret_vault import InMemorySecretVault
from adapters.postgres.secret_vault import EncryptedVault
from adapters.postgres.tenants import TenantPool
from adapters.storage.keys import (
    KeyFileError,
    KeyRing,
    load_or_create_key,
    new_key_ring,
    rotate_key,
)
from domain.errors import SecretMissing, SecretUnreadable
from tests.support.postgres import Database

VALUE = "correct horse ☃ battery"
KEYS = new_key_ring()

Vault = InMemorySecretVault | EncryptedVault
Body = Callable[[Vault], Awaitable[None]]
EncryptedBody = Callable[[EncryptedVault], Awaitable[None]]
Run = Callable[[Body], None]


@asynccontextmanager
async def encrypted(database: Database, keys: KeyRing) -> AsyncGenerator[EncryptedVault]:
    async with asyncio.timeout(60), TenantPool(database.service_url, "vault", size=2) as pool:
        yield EncryptedVault(pool, keys)


def run_encrypted(database: Database, body: EncryptedBody, keys: KeyRing = KEYS) -> None:
    async def main() -> None:
        async with encrypted(database, keys) as vault:
            await body(vault)

    asyncio.run(main())


async def in_memory(body: Body) -> None:
    await body(InMemorySecretVault())


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "memory":
        return lambda body: asyncio.run(in_memory(body))
    database: Database = request.getfixturevalue("database")
    return lambda body: run_encrypted(database, body)


def test_a_secret_is_read_back_by_its_reference(run: Run) -> None:
    async def body(vault: Vault) -> None:
        reference, _ = await vault.put("t", VALUE)
        other, _ = await vault.put("t", "")
        assert await vault.get("t", reference) == VALUE
        assert await vault.get("t", other) == ""
        assert VALUE not in reference

    run(body)


def test_equal_values_have_equal_hmacs_and_references_of_their_own(run: Run) -> None:
    async def body(vault: Vault) -> None:
        first, first_hmac = await vault.put("t", VALUE)
        second, second_hmac = await vault.put("t", VALUE)
        _, other_hmac = await vault.put("t", f"{VALUE}.")
        assert first != second
        assert first_hmac == second_hmac != other_hmac

    run(body)


def test_tenants_can_neither_read_nor_compare_each_others_secrets(run: Run) -> None:
    async def body(vault: Vault) -> None:
        reference, hmac = await vault.put("t", VALUE)
        _, other_hmac = await vault.put("u", VALUE)
        assert hmac != other_hmac
        with pytest.raises(SecretMissing):
            await vault.get("u", reference)

    run(body)


def test_an_erased_secret_is_missing(run: Run) -> None:
    async def body(vault: Vault) -> None:
        reference, _ = await vault.put("t", VALUE)
        await vault.erase("t", reference)
        with pytest.raises(SecretMissing):
            await vault.get("t", reference)

    run(body)


# What only the encrypted one can show.


def execute(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.as_owner() as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_the_database_does_not_hold_the_value(database: Database) -> None:
    async def body(vault: EncryptedVault) -> None:
        await vault.put("t", VALUE)
        (row,) = execute(database, "SELECT wrapped_key, ciphertext FROM secrets.vault")
        assert all(VALUE.encode() not in column for column in row if isinstance(column, bytes))

    run_encrypted(database, body)


@pytest.mark.parametrize(
    "change",
    [
        "ciphertext = set_byte(ciphertext, 20, get_byte(ciphertext, 20) # 1)",
        "wrapped_key = set_byte(wrapped_key, 20, get_byte(wrapped_key, 20) # 1)",
        "ciphertext = ''",
        "key_id = 'unknown'",
        "tenant = 'u'",
    ],
)
def test_a_changed_row_is_unreadable_and_the_error_tells_nothing(
    database: Database, change: str
) -> None:
    async def body(vault: EncryptedVault) -> None:
        reference, _ = await vault.put("t", VALUE)
        execute(database, f"UPDATE secrets.vault SET {change}")  # noqa: S608 - our own text
        tenant = "u" if "tenant" in change else "t"
        with pytest.raises(SecretUnreadable) as refusal:
            await vault.get(tenant, reference)
        assert VALUE not in str(refusal.value)

    run_encrypted(database, body)


def test_rows_cannot_be_exchanged(database: Database) -> None:
    async def body(vault: EncryptedVault) -> None:
        first, _ = await vault.put("t", "admin")
        await vault.put("t", "guest")
        execute(
            database,
            "UPDATE secrets.vault v SET wrapped_key = w.wrapped_key, ciphertext = w.ciphertext"
            " FROM secrets.vault w WHERE w.reference <> v.reference",
        )
        with pytest.raises(SecretUnreadable):
            await vault.get("t", first)

    run_encrypted(database, body)


def test_after_a_rotation_and_rewrapping_the_old_key_is_needed_no_more(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    old = load_or_create_key(path)
    new = rotate_key(path)
    only_new = KeyRing(comparing=new.comparing, wrapping=new.wrapping[:1])
    kept: list[tuple[str, str]] = []

    async def before(vault: EncryptedVault) -> None:
        kept.append(await vault.put("t", VALUE))

    async def rotated(vault: EncryptedVault) -> None:
        assert await vault.get("t", kept[0][0]) == VALUE
        assert await vault.rewrap() == 1
        assert await vault.rewrap() == 0

    async def after(vault: EncryptedVault) -> None:
        assert await vault.get("t", kept[0][0]) == VALUE
        assert (await vault.put("t", VALUE))[1] == kept[0][1]

    for keys, body in ((old, before), (new, rotated), (only_new, after)):
        run_encrypted(database, body, keys)


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "key"
    assert load_or_create_key(path) == load_or_create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_key_file_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_or_create_key(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_or_create_key(path)


@pytest.mark.parametrize("content", ["", "{}", '{"comparing":"AA==","wrapping":[]}'])
def test_a_damaged_key_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(KeyFileError, match="backup"):
        load_or_create_key(path)


def test_keys_are_not_shown_when_printed() -> None:
    assert "key=" not in repr(KEYS)
    assert "comparing" not in repr(KEYS)
