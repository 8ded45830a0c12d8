"""A backup gives back what was there, byte for byte; a damaged one is refused."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from adapters.postgres.log_store import INLINE_BYTES
from adapters.postgres.secret_vault import EncryptedVault
from adapters.storage.keys import load_key, load_or_create_key
from api.cli import exits
from api.cli.backup_files import copy_tree
from domain.access.commands import CreateKey
from domain.access.roles import Role
from domain.event import DEFAULT_TENANT
from domain.log.events import LogRestored
from domain.ports import LogChunk
from tests.integration.cli.support import Parts, Place
from tests.support.postgres import PostgresServer

MEBIBYTE = 1024 * 1024
CONTAINER_LOG, BUILD_LOG = "container-a/1", "build-b/1/rpmbuild/1"
PIECES = [
    *(b"line %d of a build that says a lot\n" % number for number in range(2_000)),  # in rows
    *(os.urandom(INLINE_BYTES * 2) for _ in range(64)),  # in files
    b"the end\n",
]
SECRET = "correct horse"

Damage = Callable[[Path], None]


class Original:
    """An installation with logs and a secret, and a backup of it."""

    def __init__(self, place: Place, backup: Path) -> None:
        self.place = place
        self.backup = backup
        self.references: list[str] = []

    def fill(self) -> None:
        load_or_create_key(self.place.settings.key_file)
        self.place.do(self._fill)
        assert self.place.run("backup", self.backup).exit_code == 0

    async def _fill(self, parts: Parts) -> None:
        await parts.send(CreateKey(key_id="k", role=Role.VIEWER, secret_sha256="0" * 64))
        await parts.put(b"an artifact")
        for subject in (CONTAINER_LOG, BUILD_LOG):
            await _write(parts, subject)
        reference, _ = await _vault(self.place, parts).put(
            DEFAULT_TENANT, SECRET, owner="container-a"
        )
        self.references.append(reference)


async def _write(parts: Parts, subject: str) -> None:
    offset = 0
    chunks: list[LogChunk] = []
    for sequence, data in enumerate(PIECES):
        chunks.append(LogChunk(sequence=sequence, stream="stdout", offset=offset, data=data))
        offset += len(data)
    for start in range(0, len(chunks), 50):
        await parts.logs.append(DEFAULT_TENANT, subject, chunks[start : start + 50])
    await parts.logs.close(DEFAULT_TENANT, subject)


async def _read(parts: Parts, subject: str) -> bytes:
    content = bytearray()
    while chunks := await parts.logs.read(DEFAULT_TENANT, subject, from_offset=len(content)):
        content += b"".join(chunk.data for chunk in chunks)
    return bytes(content)


def _vault(place: Place, parts: Parts) -> EncryptedVault:
    return EncryptedVault(parts.pool, partial(load_key, place.settings.key_file))


@pytest.fixture(scope="module")
def original(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Original]:
    directory = tmp_path_factory.mktemp("original")
    with postgres_server.fresh_database() as database:
        made = Original(Place(directory / "data", database.owner_url), directory / "backup")
        made.fill()
        yield made


@pytest.fixture
def elsewhere(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Place]:
    """Where nothing is yet."""
    with postgres_server.empty_database() as url:
        yield Place(tmp_path / "elsewhere", url)


def test_logs_of_several_mebibytes_and_secrets_come_back_as_they_were(
    original: Original, elsewhere: Place
) -> None:
    restored = elsewhere.run("restore", original.backup)
    assert restored.exit_code == 0, restored.output
    whole = b"".join(PIECES)
    assert len(whole) > 4 * MEBIBYTE

    async def body(parts: Parts) -> None:
        for subject in (CONTAINER_LOG, BUILD_LOG):
            assert await _read(parts, subject) == whole
            end = await parts.logs.end(DEFAULT_TENANT, subject)
            assert (end.next_sequence, end.next_offset) == (len(PIECES), len(whole))
            assert end.closed
        value = await _vault(elsewhere, parts).get(DEFAULT_TENANT, original.references[0])
        assert value == SECRET
        assert len(await parts.events(LogRestored)) == 1

    elsewhere.do(body)


def test_what_to_type_after_a_restore_names_its_directory(
    original: Original, elsewhere: Place
) -> None:
    said = elsewhere.run("restore", original.backup).output
    assert "Keep the original stopped" in said
    assert f"eulermaker up --data-dir {elsewhere.settings.directory}" in said
    again = elsewhere.run("restore", original.backup)
    assert again.exit_code == exits.REFUSED
    assert "Name a new --data-dir" in again.output


def _first_file(directory: Path) -> Path:
    return next(path for path in sorted(directory.rglob("*")) if path.is_file())


def _flip_in(*parts: str) -> Damage:
    def damage(backup: Path) -> None:
        path = backup.joinpath(*parts)
        file = path if path.is_file() else _first_file(path)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

    return damage


def _remove_from(*parts: str) -> Damage:
    def damage(backup: Path) -> None:
        path = backup.joinpath(*parts)
        (path if path.is_file() else _first_file(path)).unlink()

    return damage


def _cut_off_manifest(backup: Path) -> None:
    os.truncate(backup / "manifest.json", 100)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_flip_in("logs", "default"), "is damaged: its content does not have its digest"),
        (_flip_in("blobs", "default"), "is damaged: its content does not have its digest"),
        (_flip_in("tables", "logs.chunks.copy"), "is not what the manifest says"),
        (_flip_in("tables", "log.events.copy"), "is not what the manifest says"),
        (_flip_in("secrets.key"), "is not what the manifest says"),
        (_remove_from("logs", "default"), "files of logs with"),
        (_remove_from("tables", "log.events.copy"), "is not what the manifest says"),
        (_remove_from("secrets.key"), "is not what the manifest says"),
        (_remove_from("manifest.json"), "is no finished backup"),
        (_cut_off_manifest, "cannot be read"),
    ],
    ids=[
        "a changed file of a log",
        "a changed blob",
        "a changed table of logs",
        "a changed table of events",
        "a changed key",
        "a lost file of a log",
        "a lost table",
        "a lost key",
        "no manifest",
        "half a manifest",
    ],
)
def test_a_damaged_backup_is_refused_and_nothing_of_it_gets_into_the_database(
    original: Original, elsewhere: Place, tmp_path: Path, damage: Damage, words: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(original.backup, copy)
    damage(copy)
    refused = elsewhere.run("restore", copy)
    assert refused.exit_code == exits.REFUSED
    assert words in refused.output
    assert "Traceback" not in refused.output
    restored = elsewhere.run("restore", original.backup)
    assert restored.exit_code == 0, restored.output


def test_a_file_that_is_deleted_while_a_backup_is_made_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in "ab":
        (source / name).write_text(name)

    def collect_the_other(_done: int, _total: int) -> None:
        (source / "b").unlink(missing_ok=True)

    tree = copy_tree("blobs", source, tmp_path / "target", collect_the_other)
    assert (tree.files, tree.bytes) == (1, 1)
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["a"]
