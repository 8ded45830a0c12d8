"""`eulermaker completion SHELL`: the script that lets a shell complete our commands."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash, in ~/.bashrc:  eval "$(eulermaker completion bash)"
    zsh, in ~/.zshrc:    eval "$(eulermaker completion zsh)"
    fish:                eulermaker completion fish > ~/.config/fish/completions/eulermaker.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    root = context.find_root().command
    click.echo(kind(root, {}, "eulermaker", "_EULERMAKER_COMPLETE").source())
