"""`eulermaker blobs collect`: from uploads to what is left of them."""

import os
import time
from pathlib import Path

import pytest

from api.cli import exits
from domain.builds.commands import SubmitBuild
from domain.builds.spec import BuildSpec, RpmSource, SourceFile
from domain.event import DEFAULT_TENANT
from domain.storage.events import BlobsCollected
from tests.integration.cli.support import Parts, Place
from tests.support.postgres import Database

NAMED, FORGOTTEN, YOUNG = b"Name: hello", b"uploaded and forgotten", b"just uploaded"


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    return Place(tmp_path, database.owner_url)


def _make_old(place: Place, digest: str) -> None:
    name = digest.removeprefix("sha256:")
    then = time.time() - 2 * 86_400
    file = place.settings.blob_directory / DEFAULT_TENANT / "sha256" / name[:2] / name[2:]
    os.utime(file, (then, then))


def _fill(place: Place) -> dict[bytes, str]:
    """Digests by content."""
    digests: dict[bytes, str] = {}

    async def body(parts: Parts) -> None:
        for content in (NAMED, FORGOTTEN, YOUNG):
            digests[content] = await parts.put(content)
        file = SourceFile(name="hello.spec", digest=digests[NAMED], size=len(NAMED))
        spec = BuildSpec(name="hello", source=RpmSource(spec=file))
        await parts.send(SubmitBuild(build_id="b-1", spec=spec, base_image="base:1"))

    place.do(body)
    for content in (NAMED, FORGOTTEN):
        _make_old(place, digests[content])
    return digests


def _left(place: Place, digests: dict[bytes, str]) -> set[bytes]:
    found: set[bytes] = set()

    async def body(parts: Parts) -> None:
        for content, digest in digests.items():
            if await parts.blobs.stat(DEFAULT_TENANT, digest) is not None:
                found.add(content)

    place.do(body)
    return found


def test_only_what_is_old_and_named_by_no_event_is_deleted_and_recorded(place: Place) -> None:
    digests = _fill(place)
    found = {"count": 1, "size": len(FORGOTTEN)}
    tenants = [{"tenant": DEFAULT_TENANT, **found}]
    planned = place.json("blobs", "collect", "--dry-run")
    assert planned == {"dry_run": True, **found, "tenants": tenants}
    assert _left(place, digests) == set(digests)
    done = place.json("blobs", "collect")
    assert done == {"dry_run": False, **found, "tenants": tenants}
    assert _left(place, digests) == {NAMED, YOUNG}
    assert place.json("blobs", "collect")["count"] == 0

    async def body(parts: Parts) -> None:
        (event,) = await parts.events(BlobsCollected)
        assert isinstance(event, BlobsCollected)
        assert (event.count, event.size) == (1, len(FORGOTTEN))

    place.do(body)


def test_the_content_of_another_log_is_left_alone(place: Place, database: Database) -> None:
    digests = _fill(place)
    assert place.run("blobs", "collect", "--dry-run").exit_code == 0
    with database.as_owner() as connection:
        connection.execute("UPDATE work.installation SET id = 'another'")
    refused = place.run("blobs", "collect")
    assert refused.exit_code == exits.REFUSED
    assert "another installation's log" in refused.output
    assert _left(place, digests) == set(digests)
