"""What can be done to a container that is there: each is one command to the service."""

from collections.abc import Mapping
from typing import get_args

import click
import msgspec

from api.cli import output
from api.cli.checked import NAME, bounds
from api.cli.checkpoint_file import Checkpoint
from api.cli.client import ApiClient
from api.cli.names import find_container
from api.cli.problems import REFUSED_STATE, STALE_VERSION, ServiceRefused
from api.cli.session import client_command
from api.cli.sizes import BYTES, CPUS
from domain.containers.decide import PRESENT
from domain.containers.events import ContainerLimitsChangeRequested
from domain.containers.spec import Limits, Signal
from domain.containers.state import UPDATE_LIMITS
from projections.answer import Answer
from projections.containers import ContainerDetails


class LimitsIntent(msgspec.Struct, frozen=True):
    data: ContainerLimitsChangeRequested


class AskedLimits(msgspec.Struct, frozen=True):
    """A page of a container's history with one event, as far as it matters here."""

    items: tuple[LimitsIntent]


grace_option = click.option(
    "--grace-seconds",
    type=click.IntRange(0, 600),
    help="Between the stop signal and the kill; else the container's own.",
)


async def _operate(
    client: ApiClient, container: str, operation: str, body: object, *, as_json: bool
) -> None:
    container_id = await find_container(client, container)
    answer = await client.command(f"/v1/containers/{container_id}/{operation}", body)
    _show(answer, container_id, operation, as_json=as_json)


def _show(answer: bytes, container_id: str, operation: str, *, as_json: bool) -> None:
    output.show_accepted(answer, f"{container_id}: {operation} is recorded.", as_json=as_json)


@click.command("start")
@click.argument("container")
@client_command
async def start(client: ApiClient, *, container: str, as_json: bool) -> None:
    """Start a container."""
    await _operate(client, container, "start", {}, as_json=as_json)


@click.command("stop")
@click.argument("container")
@grace_option
@client_command
async def stop(
    client: ApiClient, *, container: str, grace_seconds: int | None, as_json: bool
) -> None:
    """Stop a container; kill it after the grace."""
    await _operate(client, container, "stop", {"grace_seconds": grace_seconds}, as_json=as_json)
    if not as_json:
        click.echo("It may go on running until its grace ends; then it is killed.")


@click.command("restart")
@click.argument("container")
@grace_option
@client_command
async def restart(
    client: ApiClient, *, container: str, grace_seconds: int | None, as_json: bool
) -> None:
    """Stop a container and start it again."""
    await _operate(client, container, "restart", {"grace_seconds": grace_seconds}, as_json=as_json)


@click.command("pause")
@click.argument("container")
@client_command
async def pause(client: ApiClient, *, container: str, as_json: bool) -> None:
    """Freeze a container."""
    await _operate(client, container, "pause", {}, as_json=as_json)


@click.command("unpause")
@click.argument("container")
@client_command
async def unpause(client: ApiClient, *, container: str, as_json: bool) -> None:
    """Let a frozen container go on."""
    await _operate(client, container, "unpause", {}, as_json=as_json)


@click.command("kill")
@click.argument("container")
@click.option("--signal", type=click.Choice(get_args(Signal)), default="KILL", show_default=True)
@client_command
async def kill(client: ApiClient, *, container: str, signal: str, as_json: bool) -> None:
    """Send a signal, once."""
    await _operate(client, container, "kill", {"signal": signal}, as_json=as_json)


@click.command("rename")
@click.argument("container")
@click.argument("name", type=NAME)
@client_command
async def rename(client: ApiClient, *, container: str, name: str, as_json: bool) -> None:
    """Call a container NAME from now on."""
    await _operate(client, container, "rename", {"name": name}, as_json=as_json)


@click.command("limits")
@click.argument("container")
@click.option("--memory", type=BYTES, help="Like 512M.")
@click.option("--cpus", type=CPUS, help="Like 2 or 0.5.")
@click.option("--pids", type=click.IntRange(*bounds(Limits, "pids")), help="Processes at most.")
@client_command
async def limits(
    client: ApiClient,
    *,
    container: str,
    memory: int | None,
    cpus: int | None,
    pids: int | None,
    as_json: bool,
) -> None:
    """Change what a container may use; what is not named stays."""
    if memory is None and cpus is None and pids is None:
        raise click.UsageError("Nothing would change. Name --memory, --cpus or --pids.")
    container_id = await find_container(client, container)
    named = {"memory_bytes": memory, "cpu_millis": cpus, "pids": pids}
    change = {name: value for name, value in named.items() if value is not None}
    try:
        answer = await _change_limits(client, container_id, change)
    except ServiceRefused as refused:
        if refused.problem.type != STALE_VERSION:
            raise
        # The read model lagged, or somebody was faster: once more, as of the log's end.
        now = await client.read("/v1/checkpoint", Checkpoint)
        answer = await _change_limits(client, container_id, change, min_position=now.position)
    _show(answer, container_id, "limits", as_json=as_json)


async def _change_limits(
    client: ApiClient, container_id: str, change: Mapping[str, int], *, min_position: int = 0
) -> bytes:
    """What is not named stays as it was last asked for, also while that waits.

    Refused where the container has changed since that was read.
    """
    path = f"/v1/containers/{container_id}"
    query = {"min_position": min_position}
    now = (await client.read(path, Answer[ContainerDetails], query)).value
    waiting = [op.intent for op in now.operations if op.name == UPDATE_LIMITS]
    limits = await _asked_limits(client, path, waiting[-1]) if waiting else now.limits
    wanted = msgspec.structs.replace(limits, **change)
    return await client.command(f"{path}/limits", wanted, if_version=now.version)


async def _asked_limits(client: ApiClient, path: str, intent: int) -> Limits:
    """What this intent asked for, though the container does not have it yet."""
    query = {"after_version": intent - 1, "limit": 1}
    return (await client.read(f"{path}/history", AskedLimits, query)).items[0].data.limits


@click.command("remove")
@click.argument("container")
@click.option("--force", is_flag=True, help="Also when it runs.")
@client_command
async def remove(client: ApiClient, *, container: str, force: bool, as_json: bool) -> None:
    """Remove a container; its history stays."""
    container_id = await find_container(client, container)
    path, query = f"/v1/containers/{container_id}", {"force": output.query_flag(force)}
    try:
        answer = await client.command(path, method="DELETE", query=query)
    except ServiceRefused as refused:
        problem = refused.problem
        if problem.type == REFUSED_STATE and problem.state in PRESENT and not force:
            raise refused.with_advice("Stop it first, or add --force.") from refused
        raise
    _show(answer, container_id, "remove", as_json=as_json)


OPERATIONS = (start, stop, restart, pause, unpause, kill, rename, limits, remove)
