"""A click group that imports a command only when it is used: `--help` stays quick, and the
client's commands never load the server."""

from collections.abc import Mapping
from importlib import import_module

import click


class LazyGroup(click.Group):
    """commands_at: name to (`module:attribute`, one line of help)."""

    def __init__(
        self,
        name: str,
        *,
        help_text: str,
        commands_at: Mapping[str, tuple[str, str]],
    ) -> None:
        super().__init__(name=name, help=help_text)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self._commands_at:
            return None
        module, _, attribute = self._commands_at[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        rows = [(name, line) for name, (_, line) in self._commands_at.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
