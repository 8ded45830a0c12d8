"""What people see: tables, times, sizes and colours; and what programs see: the JSON itself.

Everything from the service is text, never markup: names and log lines are not ours.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console

UNLIMITED_WIDTH = 100_000
KIBI = 1024
MINUTE = 60.0
HOUR = 3600.0

T = TypeVar("T")

STYLES = {
    "succeeded": "green",
    "running": "green",
    "active": "green",
    "accepted": "green",
    "failed": "red",
    "errored": "magenta",
    "timed-out": "yellow",
    "cancelled": "yellow",
    "refused": "yellow",
    "denied": "red",
    "unauthenticated": "red",
    "revoked": "yellow",
}
_CONTROL = re.compile(r"(\x1b\[[0-9;]*m|\r\n)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@cache
def screen(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # as click.echo does; else it would end the program with 1

    file = sys.stderr if stderr else sys.stdout
    # A pipe has no width: nothing may be cut off there.
    width = None if file.isatty() else UNLIMITED_WIDTH
    return Screen(stderr=stderr, highlight=False, width=width, soft_wrap=False)


def show_json(document: bytes) -> None:
    click.echo(document.rstrip(b"\n"))


def show_identified(identifier: str, document: bytes) -> None:
    """With the id at the top, as receipts have it."""
    show_struct({"id": identifier, **decode(document, dict[str, msgspec.Raw])})


def show_struct(value: object) -> None:
    show_json(msgspec.json.encode(value))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = ["" if cell is None else terminal_safe(str(cell)) for cell in row]
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in cells))
    screen().print(table)


def show_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Name and value, line by line; without a value there is no line."""
    shown = [(name, value) for name, value in fields if value not in (None, "", ())]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        text = terminal_safe(str(value))
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {styled(text)}")


def styled(text: str) -> str:
    colour = STYLES.get(text)
    return click.style(text, fg=colour) if colour else text


def terminal_safe(text: str) -> str:
    """Colours, tabs and ends of lines stay; what could overwrite what was shown or talk to the
    terminal is made visible."""
    return _CONTROL.sub(lambda match: match[1] or f"\\x{ord(match[0][0]):02x}", text)


def moment(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def took(since: datetime | None, until: datetime | None) -> str:
    if since is None or until is None:
        return ""
    seconds = (until - since).total_seconds()
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {seconds % MINUTE:.0f} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"


def size(count: int | None) -> str:
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < KIBI:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= KIBI
    return f"{value:.1f} TiB"


def decode(document: bytes, kind: type[T]) -> T:
    return msgspec.json.decode(document, type=kind)


def show_rows(rows: Iterable[object]) -> None:
    """One JSON document a line."""
    for row in rows:
        show_struct(row)


def show_accepted(answer: bytes, sentence: str, *, as_json: bool) -> None:
    """What a command was answered: the receipt for programs, a sentence for people."""
    if as_json:
        show_json(answer)
    else:
        click.echo(sentence)


def query_flag(value: bool) -> str:  # noqa: FBT001 - it is what is converted
    return "true" if value else "false"
