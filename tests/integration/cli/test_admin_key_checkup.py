"""`doctor` and `up` notice that the kept admin key lets nobody in any more."""

import asyncio
from pathlib import Path

from api.cli.checkup import Verdict
from api.cli.checkup_service import check_admin_key
from api.cli.data_directory import DataDirectory, write_private
from api.settings import Settings
from domain.access.commands import RevokeKey
from domain.access.roles import Role
from tests.integration.http.support import Service, run


def test_a_kept_admin_key_that_was_revoked_is_found_with_what_to_do(tmp_path: Path) -> None:
    settings = Settings.load({}, data_dir=str(tmp_path))
    kept = DataDirectory(settings.directory)

    async def story(service: Service) -> None:
        await service.command(RevokeKey(key_id="key-admin"))
        write_private(kept.admin_key, service.keys[Role.ADMIN])
        write_private(kept.server, str(service.client.make_url("")))
        finding = await check_admin_key(settings)
        assert finding.verdict is Verdict.BAD
        assert f"mv {kept.admin_key} {kept.admin_key}.old" in finding.advice

    run(story)


def test_a_kept_key_of_somebody_who_is_no_admin_is_found(tmp_path: Path) -> None:
    settings = Settings.load({}, data_dir=str(tmp_path))
    kept = DataDirectory(settings.directory)

    async def story(service: Service) -> None:
        write_private(kept.admin_key, service.keys[Role.VIEWER])
        write_private(kept.server, str(service.client.make_url("")))
        assert (await check_admin_key(settings)).verdict is Verdict.BAD

    run(story)


def test_a_kept_admin_key_that_lets_in_is_well(tmp_path: Path) -> None:
    settings = Settings.load({}, data_dir=str(tmp_path))
    kept = DataDirectory(settings.directory)

    async def story(service: Service) -> None:
        write_private(kept.admin_key, service.keys[Role.ADMIN])
        write_private(kept.server, str(service.client.make_url("")))
        assert (await check_admin_key(settings)).verdict is Verdict.GOOD

    run(story)


def test_of_a_service_that_does_not_answer_nothing_is_said_but_that(tmp_path: Path) -> None:
    settings = Settings.load({}, data_dir=str(tmp_path))
    kept = DataDirectory(settings.directory)
    write_private(kept.admin_key, "em_local")
    write_private(kept.server, "http://127.0.0.1:1")
    finding = asyncio.run(check_admin_key(settings))
    assert (finding.verdict, finding.found) == (Verdict.WARNING, "the service does not run")


def test_where_no_admin_key_is_kept_a_start_makes_one(tmp_path: Path) -> None:
    settings = Settings.load({}, data_dir=str(tmp_path))
    finding = asyncio.run(check_admin_key(settings))
    assert finding.verdict is Verdict.WARNING
    assert "makes a new one" in finding.advice
