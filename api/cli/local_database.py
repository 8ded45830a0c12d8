"""The database of this machine's data directory, also while the service does not run."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from adapters.embedded import EmbeddedPostgres, EmbeddedServerError
from api.settings import Settings, SettingsError


def load_settings(data_dir: Path, database_url: str | None = None) -> Settings:
    named = {} if database_url is None else {"DATABASE_URL": database_url}
    try:
        return Settings.load({**os.environ, **named}, data_dir=str(data_dir))
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def owner_database(settings: Settings, *, create: bool = False) -> Generator[str]:
    """Its URL; an embedded server that was not running runs only inside.

    create: also make one where there is none.
    """
    if settings.database.url:
        yield settings.database.url
        return
    server = EmbeddedPostgres(settings.directory)
    if not create and not (settings.directory / "postgres").is_dir():
        raise click.ClickException(
            f"There is no database in {settings.directory}. Name the right directory with"
            " --data-dir, or a server with DATABASE_URL."
        )
    was_running = server.is_running()
    try:
        try:
            url = server.start()
        except EmbeddedServerError as error:
            raise click.ClickException(str(error)) from error
        yield url
    finally:
        if not was_running:
            server.stop()
