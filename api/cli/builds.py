"""`eulermaker build …`"""

from pathlib import Path

import click

from api.cli import output
from api.cli.build_details import ended_after, show_build
from api.cli.build_fetch import fetch_artifacts, read_artifacts
from api.cli.build_follow import follow_build, follow_part, interrupted_follow
from api.cli.build_log import show_log
from api.cli.build_submit import submit
from api.cli.client import ApiClient
from api.cli.history import show_history
from api.cli.listing import list_option, read_pages
from api.cli.names import find_build
from api.cli.session import client_command
from domain.builds.events import Step
from domain.builds.state import Phase
from projections.answer import Answer
from projections.build_rows import BuildDetails, BuildRow


@click.group()
def build() -> None:
    """Submit builds, watch them, fetch what they made.

    BUILD is a build's id, or the name of the newest build called so. With --follow the exit
    status is the outcome: 0 succeeded, 1 failed (the package's fault), 2 errored (the system's),
    3 timed out, 4 cancelled.
    """


build.add_command(submit)


@build.command("list")
@click.option("--phase", type=click.Choice([phase.value for phase in Phase]))
@click.option("--name", help="What the name begins with.")
@list_option
@client_command
async def list_builds(
    client: ApiClient, *, phase: str | None, name: str | None, limit: int, as_json: bool
) -> None:
    """List builds, the newest first; ENDED AFTER counts from the submission."""
    query = {"phase": phase, "name": name}
    rows = await read_pages(client, "/v1/builds", BuildRow, query, limit=limit)
    if as_json:
        output.show_rows(rows)
        return
    output.show_table(
        ("BUILD", "NAME", "KIND", "PHASE", "PACKAGE", "SUBMITTED", "ENDED AFTER"),
        (
            (
                row.build_id,
                row.name,
                row.kind,
                row.phase,
                row.package,
                output.moment(row.created_at),
                ended_after(row),
            )
            for row in rows
        ),
    )


@build.command("show")
@click.argument("build")
@click.option("--as-of", help="A position of the log, or a time like 2026-01-31T12:00:00Z.")
@client_command
async def show(client: ApiClient, *, build: str, as_of: str | None, as_json: bool) -> None:
    """Show a build: attempts, steps, artifacts, failure."""
    build_id = await find_build(client, build)
    if as_json or as_of:
        document = await client.get(f"/v1/builds/{build_id}", {"as_of": as_of})
        output.show_identified(build_id, document)
        return
    found = await client.read(f"/v1/builds/{build_id}", Answer[BuildDetails])
    show_build(found.value)


@build.command("log")
@click.argument("build")
@click.option("--step", type=click.Choice([step.value for step in Step]), help="Only this step.")
@click.option("--attempt", type=click.IntRange(1), help="The last one unless given.")
@click.option("--stream", type=click.Choice(["stdout", "stderr"]), help="Only this stream.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Begin here (bytes, one step).")
@click.option("--follow", "-f", is_flag=True, help="Until it ends; exits with its outcome.")
@client_command
async def log(
    client: ApiClient,
    *,
    build: str,
    step: str | None,
    attempt: int | None,
    stream: str | None,
    offset: int,
    follow: bool,
    as_json: bool,
) -> int | None:
    """Print a build's log: stdout to stdout, stderr to stderr."""
    build_id = await find_build(client, build)
    if not follow:
        await show_log(
            client,
            build_id,
            step=step,
            attempt=attempt,
            stream=stream,
            offset=offset,
            as_json=as_json,
        )
        return None
    with interrupted_follow(build_id):
        if step is None and attempt is None:
            return await follow_build(
                client, build_id, stream=stream, offset=offset, as_json=as_json
            )
        return await follow_part(
            client,
            build_id,
            step=None if step is None else Step(step),
            attempt=attempt,
            stream=stream,
            offset=offset,
            as_json=as_json,
        )


@build.command("artifacts")
@click.argument("build")
@click.option("--attempt", type=click.IntRange(1), help="The last one unless given.")
@client_command
async def artifacts(client: ApiClient, *, build: str, attempt: int | None, as_json: bool) -> None:
    """List what a build made."""
    build_id = await find_build(client, build)
    found = await read_artifacts(client, build_id, attempt=attempt)
    if as_json:
        output.show_rows(found)
        return
    output.show_table(
        ("NAME", "KIND", "SIZE", "DIGEST"),
        ((one.name, one.kind, output.size(one.size), one.digest) for one in found),
    )


@build.command("fetch")
@click.argument("build")
@click.argument(
    "directory", type=click.Path(file_okay=False, path_type=Path), default=Path(), required=False
)
@click.option("--attempt", type=click.IntRange(1), help="The last one unless given.")
@click.option("--force", is_flag=True, help="Also replace files that have other content.")
@client_command
async def fetch(
    client: ApiClient,
    *,
    build: str,
    directory: Path,
    attempt: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Fetch what a build made into DIRECTORY, and verify each digest."""
    build_id = await find_build(client, build)
    fetched = await fetch_artifacts(
        client, build_id, directory, attempt=attempt, force=force, shown=not as_json
    )
    if as_json:
        output.show_rows(fetched)
        return
    for each in fetched:
        click.echo(f"{each.path}  {each.digest}")


@build.command("cancel")
@click.argument("build")
@click.option("--reason", default="", help="Recorded for ever: write nothing personal.")
@client_command
async def cancel(client: ApiClient, *, build: str, reason: str, as_json: bool) -> None:
    """Stop a build; its containers end within seconds."""
    build_id = await find_build(client, build)
    answer = await client.command(f"/v1/builds/{build_id}/cancel", {"reason": reason})
    output.show_accepted(answer, f"Build {build_id} is being cancelled.", as_json=as_json)


@build.command("retry")
@click.argument("build")
@click.option("--follow", "-f", is_flag=True, help="Then follow; exits with the outcome.")
@client_command
async def retry(client: ApiClient, *, build: str, follow: bool, as_json: bool) -> int | None:
    """Build again from the same inputs, as the next attempt."""
    build_id = await find_build(client, build)
    answer = await client.command(f"/v1/builds/{build_id}/retry")
    if not follow:
        output.show_accepted(answer, f"Build {build_id} begins another attempt.", as_json=as_json)
        return None
    with interrupted_follow(build_id):
        return await follow_build(client, build_id, as_json=as_json)


@build.command("history")
@click.argument("build")
@click.option("--raw", is_flag=True, help="With what each event says, as it was stored.")
@client_command
async def history(client: ApiClient, *, build: str, raw: bool, as_json: bool) -> None:
    """List the events of a build."""
    build_id = await find_build(client, build)
    await show_history(client, f"/v1/builds/{build_id}/history", raw=raw, as_json=as_json)
