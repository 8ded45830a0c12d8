"""The database of this machine's data directory, also while the service does not run."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg

from adapters.embedded import (
    EmbeddedPostgres,
    EmbeddedServerError,
    are_servers_used,
    use_servers,
)
from adapters.postgres.errors import NOT_SET_UP, one_line
from api.cli.problems import DatabaseUnavailable
from api.settings import Settings, SettingsError
from domain.errors import StoreUnavailable


def load_settings(data_dir: Path, database_url: str | None = None) -> Settings:
    named = {} if database_url is None else {"DATABASE_URL": database_url}
    try:
        return Settings.load({**os.environ, **named}, data_dir=str(data_dir))
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def owner_database(settings: Settings, *, create: bool = False) -> Generator[str]:
    """Its URL; an embedded server that was not running runs as long as commands like this need it.

    create: also make one where there is none. Raises DatabaseUnavailable, also for what is raised
    inside because the database went away.
    """
    with _explained():
        if settings.database.url:
            yield settings.database.url
        else:
            with _embedded(settings.directory, create=create) as url:
                yield url


@contextmanager
def _embedded(directory: Path, *, create: bool) -> Generator[str]:
    server = EmbeddedPostgres(directory)
    if not create and not (directory / "postgres").is_dir():
        raise click.ClickException(
            f"There is no database in {directory}. Name the right directory with"
            " --data-dir, or a server with DATABASE_URL."
        )
    stays = server.is_running() and not are_servers_used(directory)  # it is no command's
    with use_servers(directory) as is_alone:
        try:
            yield server.start()
        except EmbeddedServerError as error:
            raise click.ClickException(str(error)) from error
        finally:
            if not stays and is_alone():
                server.stop()


@contextmanager
def _explained() -> Generator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise DatabaseUnavailable(str(error)) from error
    except NOT_SET_UP as error:
        raise DatabaseUnavailable(
            f"The database is not ready: {one_line(error)}. Start the service once"
            " (`eulermaker up`), which makes it ready."
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(
            f"PostgreSQL does not answer: {one_line(error)}. See to it that it runs, and that"
            " DATABASE_URL is right; then try again."
        ) from error
