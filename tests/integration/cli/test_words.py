"""What commands say to people, of a service that answers."""

import asyncio
from datetime import UTC, datetime

from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from api.cli import exits
from api.cli.main import cli
from domain.access.roles import Role
from domain.containers import events as c
from domain.containers.spec import ContainerSpec, SecretVariable
from tests.integration.http.support import Service, run
from tests.support.appends import an_append

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOBODYS = "00000000-0000-8000-8000-000000000000"
WEB = c.ContainerRequested(container_id="c1", spec=ContainerSpec(image="web:1", name="web"))


async def command(service: Service, *arguments: str, role: Role = Role.ADMIN) -> Result:
    url = str(service.client.make_url("")).rstrip("/")
    runner = CliRunner(env={"EULERMAKER_URL": url, "EULERMAKER_KEY": service.keys[role]})
    with capture_logs():  # the service's own would be taken for what the command printed
        return await asyncio.to_thread(runner.invoke, cli, arguments)


def test_stopping_says_that_it_takes_its_grace() -> None:
    async def story(service: Service) -> None:
        started = c.ContainerStarted(container_id="c1", intent=1, started_at=NOON)
        await service.store.append(an_append("container-c1", WEB, started))
        result = await command(service, "container", "stop", "web")
        assert result.exit_code == 0, result.output
        assert result.stdout == (
            "c1: stop is recorded.\nIt may go on running until its grace ends; then it is killed.\n"
        )

    run(story)


def test_a_container_is_shown_with_its_limits_and_the_names_of_its_secrets() -> None:
    async def story(service: Service) -> None:
        secret = SecretVariable(name="PASSWORD", reference="r", hmac="h")
        spec = ContainerSpec(image="web:1", name="web", secrets=(secret,))
        asked = c.ContainerRequested(container_id="c1", spec=spec)
        await service.store.append(an_append("container-c1", asked))
        shown = (await command(service, "container", "show", "web")).stdout
        assert "Processes   256 at most\n" in shown
        assert "Secrets     PASSWORD\n" in shown
        erased = c.ContainerSecretsErased(container_id="c1", references=("r",))
        await service.store.append(an_append("container-c1", erased))
        shown = (await command(service, "container", "show", "web")).stdout
        assert "Secrets     PASSWORD (erased)\n" in shown

    run(story)


def test_whoever_may_not_is_told_which_roles_may() -> None:
    async def story(service: Service) -> None:
        result = await command(service, "keys", "list", role=Role.VIEWER)
        assert result.exit_code == exits.NOT_ALLOWED
        assert result.stderr == (
            "Error: The role viewer lacks keys:manage, which admin has. Use a key of such a role.\n"
        )
        result = await command(service, "events", "tail", role=Role.VIEWER)
        assert "lacks events:read, which builder, operator, auditor, admin have." in result.stderr

    run(story)


def test_the_past_of_what_is_not_there_is_refused_by_what_was_asked_for() -> None:
    async def story(service: Service) -> None:
        made = await service.a_container("web")
        show = ("container", "show", "--as-of", "0")
        never = await command(service, *show, NOBODYS)
        assert f"There is no container {NOBODYS}. List what exists." in never.stderr
        not_yet = await command(service, *show, made["id"])
        began = f"it begins at position {made['first_position']}, "
        assert f"There was no container {made['id']} yet: {began}" in not_yet.stderr

    run(story)


def test_a_container_that_is_removed_need_not_be_stopped_first() -> None:
    async def story(service: Service) -> None:
        removed = c.ContainerRemoved(container_id="c1", intent=1)
        await service.store.append(an_append("container-c1", WEB, removed))
        result = await command(service, "container", "remove", "web")
        assert result.exit_code == exits.REFUSED
        said = "Error: Container web is removed; only its history stays.\n"
        assert result.stderr == said

    run(story)
