"""Options that several commands share."""

from pathlib import Path

import click

from api.cli.data_directory import default_path


def _absolute(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    del context, parameter
    return value.expanduser().resolve()


data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="EULERMAKER_DATA_DIR",
    default=default_path,
    callback=_absolute,
    help="Where everything is kept (or EULERMAKER_DATA_DIR; else as `ops/up` says).",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="JSON, for programs; a list is one object a line."
)
