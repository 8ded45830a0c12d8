"""The key of the stored secrets is exchanged while they are used, and wherever it is killed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from psycopg.errors import LockNotAvailable

from adapters.postgres import key_rotation
from adapters.postgres.key_rotation import KeyRotation, Rotation
from adapters.postgres.secret_vault import EncryptedVault
from adapters.postgres.table_copies import snapshot
from adapters.postgres.tenants import TenantPool
from adapters.storage.keys import KeyRing, load_key, load_or_create_key
from domain.errors import SecretUnreadable, StoreUnavailable
from tests.support.postgres import Database

OWNER = "container-a"
MANY = 5


class Keeping:
    """A vault, its key file, and the rotation of it."""

    def __init__(self, vault: EncryptedVault, rotation: KeyRotation, key_file: Path) -> None:
        self.vault = vault
        self.rotation = rotation
        self.key_file = key_file

    async def put_many(self) -> dict[str, str]:
        """Values by their references."""
        values = [f"value {number}" for number in range(MANY)]
        return {(await self.vault.put("t", value, owner=OWNER))[0]: value for value in values}

    async def read(self, references: dict[str, str]) -> dict[str, str]:
        return {reference: await self.vault.get("t", reference) for reference in references}

    async def rotate(self) -> Rotation:
        return await self.rotation.run(lambda _done, _total: None)

    def keys(self) -> list[str]:
        return [key.id for key in load_key(self.key_file).wrapping]


@asynccontextmanager
async def keeping(database: Database, key_file: Path) -> AsyncGenerator[Keeping]:
    load_or_create_key(key_file)
    async with (
        asyncio.timeout(60),
        TenantPool(database.service_url, "vault", size=4) as pool,
        TenantPool(database.owner_url, "rotation", size=4) as owners_pool,
    ):
        vault = EncryptedVault(pool, partial(load_key, key_file))
        yield Keeping(vault, KeyRotation(owners_pool, key_file), key_file)


Story = Callable[[Keeping], Awaitable[None]]
Run = Callable[[Story], None]


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Run:
    async def tell(story: Story) -> None:
        async with keeping(database, tmp_path / "secrets.key") as kept:
            await story(kept)

    return lambda story: asyncio.run(tell(story))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "REWRAP_ROWS", 2)


def test_a_rotation_encrypts_all_anew_and_then_the_old_key_is_gone(run: Run) -> None:
    async def story(at: Keeping) -> None:
        kept = await at.put_many()
        (old,) = at.keys()
        done = await at.rotate()
        assert (done.rewrapped, done.retired, done.resumed) == (MANY, (old,), False)
        assert at.keys() == [done.key_id] != [old]
        assert await at.read(kept) == kept

    run(story)


def test_equal_values_compare_across_a_rotation(run: Run) -> None:
    async def story(at: Keeping) -> None:
        _, before = await at.vault.put("t", "value", owner=OWNER)
        await at.rotate()
        _, after = await at.vault.put("t", "value", owner=OWNER)
        assert before == after

    run(story)


@pytest.mark.parametrize("parts", [0, 1, 2])
def test_a_rotation_that_was_killed_goes_on_where_it_stopped(run: Run, parts: int) -> None:
    async def story(at: Keeping) -> None:
        kept = await at.put_many()
        assert not await at.rotation.begin()
        newest, _ = at.keys()
        for _ in range(parts):
            await at.rotation.rewrap_some()
        kept |= await at.put_many()  # meanwhile the service goes on, under the new key
        assert await at.read(kept) == kept
        done = await at.rotate()
        assert done.resumed
        assert done.rewrapped == MANY - 2 * parts
        assert at.keys() == [newest]
        assert await at.read(kept) == kept

    run(story)


def test_a_key_that_is_needed_still_is_not_retired(run: Run) -> None:
    async def story(at: Keeping) -> None:
        kept = await at.put_many()
        await at.rotation.begin()
        assert await at.rotation.retire() is None
        assert await at.read(kept) == kept

    run(story)


def test_no_key_can_go_while_it_is_used(database: Database, tmp_path: Path) -> None:
    keys = load_or_create_key(tmp_path / "key")
    used: list[KeyRing] = []

    def load() -> KeyRing:
        with database.as_owner() as connection, pytest.raises(LockNotAvailable):
            connection.execute(f"BEGIN; {key_rotation.ALONE} NOWAIT".encode())
        used.append(keys)
        return keys

    async def story() -> None:
        async with asyncio.timeout(60), TenantPool(database.service_url, "vault", size=1) as pool:
            vault = EncryptedVault(pool, load)
            reference, _ = await vault.put("t", "value", owner=OWNER)
            assert await vault.get("t", reference) == "value"

    asyncio.run(story())
    assert len(used) == 2


def test_two_rotations_at_a_time_lose_nothing(run: Run) -> None:
    async def story(at: Keeping) -> None:
        kept = await at.put_many()
        await asyncio.gather(at.rotate(), at.rotate())
        assert await at.read(kept) == kept
        assert len(at.keys()) == 1

    run(story)


def test_a_rotation_that_another_one_overtook_comes_to_its_end(run: Run) -> None:
    async def story(at: Keeping) -> None:
        kept = await at.put_many()
        overtaken = asyncio.create_task(at.rotate())
        while not overtaken.done():
            await at.rotate()
        await overtaken
        assert await at.read(kept) == kept
        assert len(at.keys()) == 1

    run(story)


def test_values_that_are_put_and_read_during_a_rotation_stay_readable(run: Run) -> None:
    async def story(at: Keeping) -> None:
        kept: dict[str, str] = {}
        rotation = asyncio.create_task(at.rotate())
        while not rotation.done():
            kept |= await at.put_many()
            assert await at.read(kept) == kept
        await rotation
        assert await at.read(kept) == kept

    run(story)


def test_a_value_that_cannot_be_read_keeps_the_old_key(run: Run, database: Database) -> None:
    async def story(at: Keeping) -> None:
        await at.put_many()
        with database.as_owner() as connection:
            connection.execute("UPDATE secrets.vault SET tenant = 'u' WHERE ctid = '(0,1)'")
        with pytest.raises(SecretUnreadable):
            await at.rotate()
        assert len(at.keys()) == 2

    run(story)


def test_a_backup_under_way_keeps_the_old_key(run: Run, database: Database) -> None:
    async def story(at: Keeping) -> None:
        kept = await at.put_many()
        await at.rotation.begin()
        while await at.rotation.rewrap_some():
            pass
        with snapshot(database.owner_url), pytest.raises(StoreUnavailable):
            await at.rotation.retire()
        assert len(at.keys()) == 2
        assert await at.read(kept) == kept

    run(story)


def test_the_leftover_of_a_killed_change_of_the_key_file_is_in_nobodys_way(run: Run) -> None:
    async def story(at: Keeping) -> None:
        leftover = at.key_file.with_name("secrets.key.new")
        leftover.write_text("half a ke")
        await at.rotate()
        assert not leftover.exists()
        assert at.key_file.stat().st_mode & 0o077 == 0

    run(story)
