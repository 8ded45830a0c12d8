"""A log that a real service wrote, changed by the database's owner: `verify` says where."""

# ruff: noqa: S608 - this is the attacker

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from adapters.postgres.hashing import GENESIS, chain_hash, micros
from ops.bench.faults.client import CarefulClient
from tests.support.service import HandRun, cli, plain_environment

CONTAINERS = 6
BAD = 4
"""The first position that each change touches."""

CHANGES = {
    "flipped byte": f"UPDATE log.events SET data = set_byte(data, 5, get_byte(data, 5) # 1)"
    f" WHERE position = {BAD}",
    "deleted event": f"DELETE FROM log.events WHERE position = {BAD}",
    "inserted event": f"UPDATE log.events SET position = position + 1000 WHERE position >= {BAD};"
    f"UPDATE log.events SET position = position - 999 WHERE position > 1000;"
    f"CREATE TEMP TABLE forged AS SELECT * FROM log.events WHERE position = 2;"
    f"UPDATE forged SET position = {BAD}, version = 90; INSERT INTO log.events TABLE forged",
    "reordered events": f"UPDATE log.events SET position = 9999 WHERE position = {BAD};"
    f"UPDATE log.events SET position = {BAD} WHERE position = {BAD + 2};"
    f"UPDATE log.events SET position = {BAD + 2} WHERE position = 9999",
    "truncated table": f"DELETE FROM log.events WHERE position >= {BAD}",
    "moment past counting": f"UPDATE log.events SET recorded_at = '294276-12-31'"
    f" WHERE position = {BAD}",
    "receipt of nothing": f"UPDATE log.receipts SET first_position = 0 WHERE last_position = {BAD}",
    "receipt of a refusal": f"UPDATE log.receipts SET status = 'refused'"
    f" WHERE last_position = {BAD}",
}
TRUNCATE_WITH_ALL_RECORDS = f"""
DELETE FROM log.events WHERE position >= {BAD};
DELETE FROM log.receipts WHERE last_position >= {BAD};
UPDATE log.log_head SET (position, chain) =
    (SELECT position, chain FROM log.events ORDER BY position DESC LIMIT 1)
"""
Verified = dict[str, Any]


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """Where the servers' account may come too, as it may not to `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="em-") as directory:
        yield Path(directory)


def test_verify_names_the_first_bad_position_and_a_checkpoint_shows_what_hashes_cannot(
    tmp_path: Path, data_directory: Path
) -> None:
    service = HandRun(data_directory, engine="unix:///nonexistent", base_image="none:none")
    checkpoint = tmp_path / "checkpoint.json"
    try:
        asyncio.run(_write_a_log(service))
        _cli(service, "checkpoint", str(checkpoint))
        asyncio.run(service.stop_roles())

        with _copy(service.owner_url, "honest") as copy:
            assert _verify(service, copy, checkpoint)["ok"] is True
        for number, (name, change) in enumerate(CHANGES.items()):
            with _copy(service.owner_url, f"changed{number}") as copy:
                _tamper(copy, change)
                found = _verify(service, copy)
                assert (found["ok"], found["bad_position"]) == (False, BAD), name
        with _copy(service.owner_url, "shortened") as copy:
            _tamper(copy, TRUNCATE_WITH_ALL_RECORDS)
            assert _verify(service, copy)["ok"] is True
            found = _verify(service, copy, checkpoint)
            assert (found["kind"], found["bad_position"]) == ("truncated", BAD)
        with _copy(service.owner_url, "rewritten") as copy:
            _rewrite(copy)
            assert _verify(service, copy)["ok"] is True
            assert _verify(service, copy, checkpoint)["kind"] == "rewritten"
    finally:
        asyncio.run(service.stop())


async def _write_a_log(service: HandRun) -> None:
    """Through the front door; there is no engine, so everything waits."""
    await service.prepare()
    await service.start_role("serve")
    await service.start_role("project")
    await service.wait_until_ready()
    async with CarefulClient(service.address, service.key) as client:
        for number in range(CONTAINERS):
            spec = {"image": "some:image", "name": f"c{number}"}
            told = await client.command("request", "/v1/containers", {"spec": spec})
            renamed = f"/v1/containers/{told.body['id']}/rename"
            await client.command("rename", renamed, {"name": f"r{number}"})
        assert client.seen.wrong == []


def _cli(service: HandRun, *arguments: str) -> str:
    command = cli(*arguments, "--data-dir", str(service.directory))
    ran = subprocess.run(  # noqa: S603 - our own program
        command, env=plain_environment(), check=False, capture_output=True, text=True
    )
    assert ran.returncode in {0, 1}, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout


def _verify(service: HandRun, url: str, checkpoint: Path | None = None) -> Verified:
    against = ["--checkpoint", str(checkpoint)] if checkpoint else []
    said = _cli(service, "verify", "--json", "--database-url", url, *against)
    found: Verified = json.loads(said)
    return found


@contextmanager
def _copy(owner_url: str, name: str) -> Generator[str]:
    """A copy of the service's database."""
    parts = urlsplit(owner_url)
    source = parts.path.removeprefix("/")
    with psycopg.connect(_to(owner_url, "postgres"), autocommit=True) as connection:
        _run(connection, f"CREATE DATABASE {name} TEMPLATE {source}")
        yield _to(owner_url, name)
        _run(connection, f"DROP DATABASE {name}")


def _to(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _tamper(url: str, change: str) -> None:
    with psycopg.connect(url) as connection:
        _run(connection, "SET session_replication_role = replica")
        for statement in change.split(";"):
            _run(connection, statement)


def _rewrite(url: str) -> None:
    """Another history, with every hash right."""
    _tamper(url, "UPDATE log.events SET recorded_at = recorded_at - interval '1 hour'")
    chain = GENESIS
    with psycopg.connect(url) as connection:
        _run(connection, "SET session_replication_role = replica")
        rows = connection.execute(
            "SELECT position, version, recorded_at, leaf FROM log.events ORDER BY position"
        ).fetchall()
        for position, version, recorded_at, leaf in rows:
            chain = chain_hash(chain, position, version, micros(recorded_at), leaf)
            connection.execute(
                "UPDATE log.events SET chain = %s WHERE position = %s", [chain, position]
            )
        connection.execute("UPDATE log.log_head SET chain = %s", [chain])


def _run(connection: psycopg.Connection, statement: str) -> None:
    connection.execute(statement.encode())
