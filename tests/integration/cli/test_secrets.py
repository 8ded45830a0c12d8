"""`eulermaker secrets rotate`, as it is typed while the service runs."""

from functools import partial
from pathlib import Path

import pytest

from adapters.postgres.secret_vault import EncryptedVault
from adapters.postgres.table_copies import snapshot
from adapters.storage.keys import load_key, load_or_create_key
from api.cli import exits
from tests.integration.cli.support import Parts, Place
from tests.support.postgres import Database

VALUE = "correct horse"


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    made = Place(tmp_path, database.owner_url)
    load_or_create_key(made.settings.key_file)
    return made


def _put(place: Place) -> str:
    put: list[str] = []

    async def body(parts: Parts) -> None:
        put.append((await _vault(place, parts).put("t", VALUE, owner="container-a"))[0])

    place.do(body)
    return put[0]


def _check(place: Place, reference: str) -> None:
    async def body(parts: Parts) -> None:
        assert await _vault(place, parts).get("t", reference) == VALUE

    place.do(body)


def _vault(place: Place, parts: Parts) -> EncryptedVault:
    return EncryptedVault(parts.pool, partial(load_key, place.settings.key_file))


def test_a_rotation_exchanges_the_key_and_every_value_stays_readable(place: Place) -> None:
    reference = _put(place)
    (old,) = (key.id for key in load_key(place.settings.key_file).wrapping)
    done = place.json("secrets", "rotate")
    assert (done["rewrapped"], done["retired"], done["resumed"]) == (1, [old], False)
    assert [key.id for key in load_key(place.settings.key_file).wrapping] == [done["key_id"]]
    _check(place, reference)
    assert "values were encrypted anew" in place.run("secrets", "rotate").output


def test_a_rotation_beside_a_backup_says_how_it_goes_on(place: Place, database: Database) -> None:
    reference = _put(place)
    with snapshot(database.owner_url):
        refused = place.run("secrets", "rotate")
    assert refused.exit_code == exits.UNAVAILABLE
    assert ". Nothing is lost: the same command goes on from here" in refused.output
    _check(place, reference)
    assert place.run("secrets", "rotate").exit_code == 0


def test_without_a_key_file_there_is_nothing_to_rotate(place: Place) -> None:
    place.settings.key_file.unlink()
    refused = place.run("secrets", "rotate")
    assert refused.exit_code == exits.REFUSED
    assert str(place.settings.key_file) in refused.output
