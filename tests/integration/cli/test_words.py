"""What commands say to people, of a service that answers."""

import asyncio

from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from api.cli import exits
from api.cli.main import cli
from domain.access.roles import Role
from domain.containers import events as c
from domain.containers.spec import ContainerSpec
from tests.integration.http.support import Service, run
from tests.support.appends import an_append

WEB = c.ContainerRequested(container_id="c1", spec=ContainerSpec(image="web:1", name="web"))


async def command(service: Service, *arguments: str, role: Role = Role.ADMIN) -> Result:
    url = str(service.client.make_url("")).rstrip("/")
    runner = CliRunner(env={"EULERMAKER_URL": url, "EULERMAKER_KEY": service.keys[role]})
    with capture_logs():  # the service's own would be taken for what the command printed
        return await asyncio.to_thread(runner.invoke, cli, arguments)


def test_a_container_that_is_removed_need_not_be_stopped_first() -> None:
    async def story(service: Service) -> None:
        removed = c.ContainerRemoved(container_id="c1", intent=1)
        await service.store.append(an_append("container-c1", WEB, removed))
        result = await command(service, "container", "remove", "web")
        assert result.exit_code == exits.REFUSED
        said = "Error: Container web is removed; only its history stays.\n"
        assert result.stderr == said

    run(story)
