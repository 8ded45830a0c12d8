"""`doctor` asks the service about its engine, and claims nothing that nobody looked at."""

from pathlib import Path

from api.cli.checkup import Verdict
from api.cli.checkup_service import check_engine_binding, check_projections, check_service
from api.cli.data_directory import DataDirectory, write_private
from api.settings import Settings
from domain.access.roles import Role
from domain.engines.commands import MeetEngine
from tests.integration.http.support import Service, run
from tests.support.ports import free_port

BOUND = MeetEngine(engine_id="engine-1", name="node")


def settings_at(directory: Path, **environment: str) -> Settings:
    engine = {"DOCKER_HOST": f"unix://{directory}/docker.sock"}  # which is not there
    return Settings.load({**engine, **environment}, data_dir=str(directory))


def test_a_binding_is_not_called_well_while_no_engine_answers(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.command(BOUND)
        write_private(DataDirectory(tmp_path).admin_key, service.keys[Role.ADMIN])
        write_private(DataDirectory(tmp_path).server, str(service.client.make_url("")))
        finding = await check_engine_binding(settings_at(tmp_path))
        assert finding.verdict is Verdict.WARNING
        assert finding.found == (
            "bound to engine-1 (node); not compared: the engine does not answer"
        )

    run(story)


def test_a_key_of_the_environment_is_asked_with(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        write_private(DataDirectory(tmp_path).server, str(service.client.make_url("")))
        settings = settings_at(tmp_path, EULERMAKER_KEY=service.keys[Role.ADMIN])
        assert (await check_service(settings)).verdict is Verdict.GOOD

    run(story)


def test_without_a_key_the_service_is_not_called_broken(tmp_path: Path) -> None:
    async def story(_: Service) -> None:
        for check in (check_service, check_projections, check_engine_binding):
            finding = await check(settings_at(tmp_path))
            assert finding.verdict is Verdict.WARNING
            assert finding.found == "there is no API key to ask the service with"

    run(story)


def test_a_service_that_does_not_run_is_started(tmp_path: Path) -> None:
    async def story(_: Service) -> None:
        write_private(DataDirectory(tmp_path).admin_key, "em_key")
        write_private(DataDirectory(tmp_path).server, f"http://127.0.0.1:{free_port()}")
        finding = await check_service(settings_at(tmp_path))
        assert finding.found == "the service does not answer: connection refused"
        assert finding.advice == "Start it: eulermaker up"

    run(story)
