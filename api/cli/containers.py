"""`eulermaker container …`"""

import click

from api.cli import output
from api.cli.client import ApiClient
from api.cli.container_operations import OPERATIONS
from api.cli.container_request import run
from api.cli.history import show_history
from api.cli.listing import list_option, read_pages
from api.cli.log_frames import LogPrinter, read_frames
from api.cli.names import find_container
from api.cli.session import client_command
from domain.containers.state import Status
from projections.answer import Answer
from projections.containers import ContainerDetails, ContainerRow


@click.group()
def container() -> None:
    """Run containers and look after them.

    CONTAINER is a container's id or its name.
    """


container.add_command(run)


@container.command("list")
@click.option("--status", type=click.Choice([status.value for status in Status]))
@click.option("--name", help="What the name begins with.")
@click.option("--all", "removed", is_flag=True, help="Also those that are removed.")
@list_option
@client_command
async def list_containers(
    client: ApiClient,
    *,
    status: str | None,
    name: str | None,
    removed: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List containers, the newest first; removed ones with --all or --status removed."""
    query = {"status": status, "name": name}
    rows = await read_pages(
        client,
        "/v1/containers",
        ContainerRow,
        query,
        limit=limit,
        wanted=lambda row: removed or bool(status) or row.status is not Status.REMOVED,
    )
    if as_json:
        output.show_rows(rows)
        return
    output.show_table(
        ("CONTAINER", "NAME", "IMAGE", "STATUS", "EXIT", "REQUESTED"),
        (
            (
                row.container_id,
                row.name,
                row.image,
                row.status.value,
                row.exit_code,
                output.moment(row.created_at),
            )
            for row in rows
        ),
    )


@container.command("show")
@click.argument("container")
@click.option("--as-of", help="A position of the log, or a time like 2026-01-31T12:00:00Z.")
@client_command
async def show(client: ApiClient, *, container: str, as_of: str | None, as_json: bool) -> None:
    """Show a container."""
    container_id = await find_container(client, container)
    path = f"/v1/containers/{container_id}"
    if as_json or as_of:
        output.show_identified(container_id, await client.get(path, {"as_of": as_of}))
        return
    found = (await client.read(path, Answer[ContainerDetails])).value
    output.show_fields(_fields(found))


def _fields(found: ContainerDetails) -> tuple[tuple[str, object], ...]:
    limits = found.limits
    return (
        ("Container", found.container_id),
        ("Name", found.name),
        ("Image", found.image),
        ("Command", " ".join(found.spec.command)),
        ("Status", found.status.value),
        ("Exit code", found.exit_code),
        ("Out of memory", "yes" if found.out_of_memory else None),
        ("Failure", found.failure),
        ("Under way", ", ".join(each.name for each in found.operations)),
        ("Requested", f"{output.moment(found.created_at)} by {found.created_by}"),
        ("Started", output.moment(found.started_at)),
        ("Finished", output.moment(found.finished_at)),
        ("Memory", output.size(limits.memory_bytes)),
        ("Processors", limits.cpu_millis / 1000),
        ("Processes", f"{limits.pids} at most"),
        ("Secrets", _secrets(found)),
        ("Network", found.spec.network),
        ("Policy", f"{found.policy.profile} {found.policy.version}"),
        ("In the engine", found.engine_name),
    )


def _secrets(found: ContainerDetails) -> str:
    names = ", ".join(secret.name for secret in found.spec.secrets)
    return f"{names} (erased)" if names and found.secrets_erased else names


@container.command("log")
@click.argument("container")
@click.option("--stream", type=click.Choice(["stdout", "stderr"]), help="Only this stream.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Begin here (bytes).")
@click.option("--follow", "-f", is_flag=True, help="Until the container ends.")
@client_command
async def log(
    client: ApiClient,
    *,
    container: str,
    stream: str | None,
    offset: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Print a container's log: stdout to stdout, stderr to stderr."""
    path = f"/v1/containers/{await find_container(client, container)}/log"
    query = {"stream": stream, "follow": output.query_flag(follow)}
    printer = LogPrinter(as_json=as_json)
    async for frame in read_frames(client, path, query, offset=offset):
        printer.show(frame)


@container.command("history")
@click.argument("container")
@click.option("--raw", is_flag=True, help="With what each event says.")
@client_command
async def history(client: ApiClient, *, container: str, raw: bool, as_json: bool) -> None:
    """List the events of a container."""
    container_id = await find_container(client, container)
    await show_history(client, f"/v1/containers/{container_id}/history", raw=raw, as_json=as_json)


for operation in OPERATIONS:
    container.add_command(operation)
