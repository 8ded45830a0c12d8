"""What every SecretVault does, in memory and encrypted in PostgreSQL."""

import asyncio
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.memory.secret_vault import InMemorySecretVault
from adapters.postgres.migrate import migrate, shipped
from adapters.postgres.secret_vault import EncryptedVault
from adapters.postgres.tenants import TenantPool
from adapters.storage.keys import (
    KeyFileError,
    KeyRing,
    load_or_create_key,
    new_key_ring,
)
from domain.errors import SecretMissing, SecretUnreadable, StoreUnavailable
from domain.ports import StoredSecret
from tests.support.postgres import Database, PostgresServer

MINUTE = timedelta(minutes=1)
VALUE = "correct horse ☃ battery"
OWNER = "container-a"
OTHER = "container-b"
KEYS = new_key_ring()

Vault = InMemorySecretVault | EncryptedVault
Body = Callable[[Vault], Awaitable[None]]
EncryptedBody = Callable[[EncryptedVault], Awaitable[None]]
Run = Callable[[Body], None]


OWNERS_SINCE = 70
NAMED, ORPHAN, YOUNG = (f"secret-{letter * 32}" for letter in "abc")
BEFORE_OWNERS = f"""
INSERT INTO log.events (position, tenant, stream, version, event_id, type, schema_version, data,
    recorded_at, occurred_at, command_id, correlation_id, actor, metadata, leaf, chain)
VALUES (1, 't', 'container-a', 1, gen_random_uuid(), 'ContainerRequested', 1,
    convert_to('{{"spec":{{"secrets":[{{"reference":"{NAMED}"}}]}}}}', 'UTF8'),
    now(), now(), 'c', 'c', 'a', '{{}}', '', '');
INSERT INTO secrets.vault (tenant, reference, key_id, wrapped_key, ciphertext, created_at) VALUES
    ('t', '{NAMED}', 'k', '', '', now()), ('t', '{YOUNG}', 'k', '', '', now()),
    ('t', '{ORPHAN}', 'k', '', '', now() - interval '2 days');
"""  # noqa: S608 - our own text


@asynccontextmanager
async def encrypted(database: Database, keys: KeyRing) -> AsyncGenerator[EncryptedVault]:
    async with asyncio.timeout(60), TenantPool(database.service_url, "vault", size=2) as pool:
        yield EncryptedVault(pool, lambda: keys)


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
        reference, _ = await vault.put("t", VALUE, owner=OWNER)
        other, _ = await vault.put("t", "", owner=OWNER)
        assert await vault.get("t", reference) == VALUE
        assert await vault.get("t", other) == ""
        assert VALUE not in reference

    run(body)


def test_equal_values_have_equal_hmacs_and_a_reference_for_each_owner(run: Run) -> None:
    async def body(vault: Vault) -> None:
        first, first_hmac = await vault.put("t", VALUE, owner=OWNER)
        second, second_hmac = await vault.put("t", VALUE, owner=OTHER)
        other, other_hmac = await vault.put("t", f"{VALUE}.", owner=OWNER)
        assert len({first, second, other}) == 3
        assert first_hmac == second_hmac != other_hmac

    run(body)


def test_a_value_that_is_put_again_keeps_its_reference_and_is_young_again(run: Run) -> None:
    async def body(vault: Vault) -> None:
        first = await vault.put("t", VALUE, owner=OWNER)
        between = datetime.now(UTC)
        assert await vault.put("t", VALUE, owner=OWNER) == first
        assert list(await vault.list_old(between)) == []
        assert await vault.get("t", first[0]) == VALUE

    run(body)


def test_only_what_is_still_old_is_erased_as_such(run: Run) -> None:
    async def body(vault: Vault) -> None:
        reference, _ = await vault.put("t", VALUE, owner=OWNER)
        now = datetime.now(UTC)
        await vault.erase_old("t", reference, now - MINUTE)
        await vault.erase_old("u", reference, now + MINUTE)
        assert await vault.get("t", reference) == VALUE
        await vault.erase_old("t", reference, now + MINUTE)
        await vault.erase_old("t", reference, now + MINUTE)
        with pytest.raises(SecretMissing):
            await vault.get("t", reference)

    run(body)


def test_tenants_can_neither_read_nor_compare_each_others_secrets(run: Run) -> None:
    async def body(vault: Vault) -> None:
        reference, hmac = await vault.put("t", VALUE, owner=OWNER)
        _, other_hmac = await vault.put("u", VALUE, owner=OWNER)
        assert hmac != other_hmac
        with pytest.raises(SecretMissing):
            await vault.get("u", reference)

    run(body)


def test_an_erased_secret_is_missing(run: Run) -> None:
    async def body(vault: Vault) -> None:
        reference, _ = await vault.put("t", VALUE, owner=OWNER)
        other, _ = await vault.put("t", VALUE, owner=OTHER)
        await vault.erase("u", [reference])
        await vault.erase("t", [reference])
        await vault.erase("t", [reference, "secret-unknown"])
        with pytest.raises(SecretMissing):
            await vault.get("t", reference)
        assert await vault.get("t", other) == VALUE

    run(body)


def test_secrets_are_listed_with_their_owner_once_they_are_old_enough(run: Run) -> None:
    async def body(vault: Vault) -> None:
        reference, _ = await vault.put("t", VALUE, owner=OWNER)
        now = datetime.now(UTC)
        secret = StoredSecret(tenant="t", reference=reference, owner=OWNER)
        assert list(await vault.list_old(now + MINUTE)) == [secret]
        assert list(await vault.list_old(now - MINUTE)) == []
        await vault.erase("t", [reference])
        assert list(await vault.list_old(now + MINUTE)) == []

    run(body)


def test_old_secrets_are_listed_page_by_page(run: Run) -> None:
    async def body(vault: Vault) -> None:
        put = {
            (await vault.put(tenant, VALUE, owner=f"container-{number}"))[0]
            for number, tenant in enumerate("tttuu")
        }
        found: list[str] = []
        page: Sequence[StoredSecret] = ()
        later = datetime.now(UTC) + MINUTE
        while page := await vault.list_old(later, after=page[-1] if page else None, limit=2):
            assert len(page) <= 2
            found += [secret.reference for secret in page]
        assert len(found) == 5
        assert set(found) == put

    run(body)


# What only the encrypted one can show.


def execute(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.as_owner() as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_the_database_does_not_hold_the_value(database: Database) -> None:
    async def body(vault: EncryptedVault) -> None:
        await vault.put("t", VALUE, owner=OWNER)
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
        reference, _ = await vault.put("t", VALUE, owner=OWNER)
        execute(database, f"UPDATE secrets.vault SET {change}")  # noqa: S608 - our own text
        tenant = "u" if "tenant" in change else "t"
        with pytest.raises(SecretUnreadable) as refusal:
            await vault.get(tenant, reference)
        assert VALUE not in str(refusal.value)

    run_encrypted(database, body)


def test_without_its_key_file_the_vault_is_away_and_keeps_nothing(database: Database) -> None:
    def gone() -> KeyRing:
        raise KeyFileError("/secret/place")

    async def main() -> None:
        async with asyncio.timeout(60), TenantPool(database.service_url, "vault", size=1) as pool:
            with pytest.raises(StoreUnavailable, match="doctor"):
                await EncryptedVault(pool, gone).put("t", VALUE, owner=OWNER)

    asyncio.run(main())
    assert execute(database, "SELECT FROM secrets.vault") == []


def test_secrets_of_before_there_were_owners_get_theirs(postgres_server: PostgresServer) -> None:
    with postgres_server.empty_database() as url:
        migrate(url, migrations=[each for each in shipped() if each.number < OWNERS_SINCE])
        execute(Database(url), BEFORE_OWNERS)
        migrate(url)
        rows = execute(Database(url), "SELECT reference, owner FROM secrets.vault")
    assert set(rows) == {(ORPHAN, ""), (NAMED, "container-a"), (YOUNG, None)}


def test_rows_cannot_be_exchanged(database: Database) -> None:
    async def body(vault: EncryptedVault) -> None:
        first, _ = await vault.put("t", "admin", owner=OWNER)
        await vault.put("t", "guest", owner=OWNER)
        execute(
            database,
            "UPDATE secrets.vault v SET wrapped_key = w.wrapped_key, ciphertext = w.ciphertext"
            " FROM secrets.vault w WHERE w.reference <> v.reference",
        )
        with pytest.raises(SecretUnreadable):
            await vault.get("t", first)

    run_encrypted(database, body)


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
