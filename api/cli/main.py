"""`eulermaker`: the client's commands, and those that run and look after the service."""

import sys

import click

from api.cli import exits
from api.cli.lazy import LazyGroup
from api.cli.unread import until_unread

COMMANDS = {
    "up": ("api.cli.up:up", "Start the whole service here, in the foreground."),
    "doctor": ("api.cli.doctor:doctor", "Check each part; say what to do about what is wrong."),
    "build": ("api.cli.builds:build", "Submit builds, watch them, fetch what they made."),
    "container": ("api.cli.containers:container", "Run containers and look after them."),
    "events": ("api.cli.events:events", "Follow the log of events."),
    "audit": ("api.cli.audit:audit", "Who did what, when, from where, and what came of it."),
    "keys": ("api.cli.keys:keys", "Create, list and revoke API keys."),
    "engine": ("api.cli.engine:engine", "Show the bound container engine; bind another one."),
    "projections": ("api.cli.projections:projections", "Watch, rebuild and switch read models."),
    "checkpoint": ("api.cli.checkpoint:checkpoint", "Print the log's position and chain hash."),
    "verify": ("api.cli.verify:verify", "Walk the hash chain; name the first bad position."),
    "backup": ("api.cli.backup:backup", "Copy log, identities, secrets and blobs to a directory."),
    "restore": ("api.cli.restore:restore", "Put a backup into an empty database."),
    "secrets": ("api.cli.secrets:secrets", "Exchange the key that secrets are stored under."),
    "blobs": ("api.cli.blobs:blobs", "Delete uploaded and made files that nothing refers to."),
    "serve": ("api.cli.roles:serve", "Role: the HTTP API."),
    "project": ("api.cli.roles:project", "Role: the projectors."),
    "work": ("api.cli.roles:work", "Role: process managers, executors and the reconciler."),
    "completion": ("api.cli.completion:completion", "Print the completion script of a shell."),
}


class Program(LazyGroup):
    """Ends with a status of its own where click would end with 1, an outcome of a build."""

    def invoke(self, ctx: click.Context) -> None:
        try:
            with until_unread():
                super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):  # Ctrl-C, also where something is asked for
            ctx.exit(exits.INTERRUPTED)


cli = Program(
    "eulermaker",
    help_text="Runs containers and builds RPM packages and images, and can prove what happened.",
    commands_at=COMMANDS,
)
# 1 and 2, click's own, are outcomes of a build.
click.ClickException.exit_code = exits.REFUSED
click.UsageError.exit_code = exits.USAGE
click.version_option(package_name="eulermaker", prog_name="eulermaker")(cli)


def main() -> None:
    try:
        cli(prog_name="eulermaker")
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise  # of a server, where it should have been explained: a defect of ours
        click.echo(f"Error: {_sentence(error)}", err=True)
        sys.exit(exits.IO_ERROR)


def _sentence(error: OSError) -> str:
    place = "" if error.filename is None else f"{error.filename}: "
    return f"{place}{error.strerror or error}."


if __name__ == "__main__":
    main()
