"""`container run` and `container request`: the same request, started at once or not."""

import asyncio
import functools
import sys
from collections.abc import Callable, Collection
from secrets import token_hex
from typing import Any

import click

from api.cli import output
from api.cli.checked import IMAGE, NAME, PATH, USER, VARIABLE
from api.cli.client import ApiClient
from api.cli.log_frames import LogPrinter, read_frames
from api.cli.names import name_after
from api.cli.outcome import read_when
from api.cli.session import client_command
from api.cli.sizes import BYTES, CPUS
from api.cli.wire import Accepted
from domain.containers.spec import ContainerSpec, Limits
from domain.containers.state import Status
from projections.containers import ContainerDetails

DEFAULT = Limits()
ENDED = frozenset({Status.STOPPED, Status.FAILED, Status.REMOVED})
NEVER_RAN = 125
LONGEST_STEM = 50


def _asks_first(command: Callable[..., None]) -> Callable[..., None]:
    """For secrets, while Ctrl-C still ends a read at once: asyncio would only note it."""

    @functools.wraps(command)
    def asked(*, secret: tuple[str, ...], **options: Any) -> None:
        command(secret={each: _ask(each) for each in secret}, **options)

    return asked


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.argument("image", type=IMAGE)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--name", type=NAME, help="What you call it; else it is named after its image.")
@click.option("--env", "-e", multiple=True, metavar="NAME=VALUE", help="Repeatable.")
@click.option(
    "--secret",
    type=VARIABLE,
    multiple=True,
    metavar="NAME",
    help="A variable whose value is asked for, or is the next line of stdin.",
)
@click.option("--memory", type=BYTES, default=DEFAULT.memory_bytes, help="Like 512M.")
@click.option("--cpus", type=CPUS, default=DEFAULT.cpu_millis, help="Like 2 or 0.5.")
@click.option(
    "--network",
    type=click.Choice(["none", "isolated"]),
    default="none",
    show_default=True,
    help="isolated: one of its own, with a way out and to the engine's machine.",
)
@click.option("--user", type=USER, help="As whom its command runs.")
@click.option("--workdir", type=PATH, help="Where its command runs.")
@click.option("--follow", "-f", is_flag=True, help="Show its log; exit with its exit code.")
@click.option("--start/--no-start", default=True, help="Or only create it.")
@_asks_first
@client_command
async def run(
    client: ApiClient,
    *,
    image: str,
    command: tuple[str, ...],
    name: str | None,
    env: tuple[str, ...],
    secret: dict[str, str],
    memory: int,
    cpus: int,
    network: str,
    user: str | None,
    workdir: str | None,
    follow: bool,
    start: bool,
    as_json: bool,
) -> int | None:
    """Run COMMAND in a container of IMAGE.

    It is limited, and has no privileges and no mounts of the host. Options stand before IMAGE.

    \b
    eulermaker container run --name greet --follow openeuler/openeuler:24.03-lts echo hello
    """
    spec = ContainerSpec(
        image=image,
        name=name or named_after(image),
        command=command,
        environment=_pairs(env),
        user=user,
        working_directory=workdir,
        network="isolated" if network == "isolated" else "none",
        limits=Limits(memory_bytes=memory, cpu_millis=cpus, pids=DEFAULT.pids),
    )
    body = {"spec": spec, "secrets": secret, "start": start}
    answer = await client.command("/v1/containers", body)
    container_id = output.decode(answer, Accepted).id
    if follow and start:
        return await _follow(client, container_id, as_json=as_json)
    output.show_accepted(
        answer, f"Container {spec.name} ({container_id}) is requested.", as_json=as_json
    )
    return None


def named_after(image: str) -> str:
    """The last part of its repository, and something that tells it from others."""
    repository = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return f"{name_after(repository)[:LONGEST_STEM]}-{token_hex(4)}"


async def _follow(client: ApiClient, container_id: str, *, as_json: bool) -> int:
    path = f"/v1/containers/{container_id}"
    printer = LogPrinter(as_json=as_json)
    try:
        async for frame in read_frames(client, f"{path}/log", {"follow": "true"}):
            printer.show(frame)
    except asyncio.CancelledError:
        click.echo(f"\nThe container goes on: eulermaker container stop {container_id}", err=True)
        raise
    ended = await read_container_outcome(client, path)
    if ended.exit_code is None:
        removed = ended.started_at is not None and ended.status is Status.REMOVED
        reason = "It was removed before it ended." if removed else "It did not run."
        click.echo(output.terminal_safe(ended.failure or reason), err=True)
        return NEVER_RAN
    if ended.out_of_memory:
        limit = output.size(ended.limits.memory_bytes)
        click.echo(f"It was killed: it needs more memory than {limit}. Raise --memory.", err=True)
    return ended.exit_code


async def read_container_outcome(
    client: ApiClient, path: str, wanted: Collection[Status] = ENDED
) -> ContainerDetails:
    """Once it is in one of these. Raises ReadModelBehind."""
    again = f"eulermaker container show {path.rpartition('/')[2]}"
    return await read_when(
        client, path, ContainerDetails, lambda found: found.status in wanted, again=again
    )


def _ask(variable: str) -> str:
    if sys.stdin.isatty():
        value: str = click.prompt(variable, hide_input=True, err=True)
        return value
    line = sys.stdin.readline()
    if not line:
        raise click.UsageError(f"--secret {variable} is to be a line of stdin, which has ended.")
    return line.removesuffix("\n")


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--env {text} should be NAME=VALUE.")
        pairs[VARIABLE.convert(name, None, None)] = value
    return pairs
