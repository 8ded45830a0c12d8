"""Progress of long work: a bar on a terminal, silence elsewhere."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from api.cli.output import screen

Advance = Callable[[int, int], None]
"""Called with how far it is and how far it will go."""


@contextmanager
def progress(what: str, *, shown: bool = True, in_bytes: bool = False) -> Generator[Advance]:
    console = screen(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda _done, _total: None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    count = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
