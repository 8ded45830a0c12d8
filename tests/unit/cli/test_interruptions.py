"""Ctrl-C, and a reader who has seen enough, are never taken for a failed build."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from adapters.postgres.verify import Damage, LogReport
from api.cli import checkup, doctor, exits, output, verify
from api.cli.main import cli, main


@contextmanager
def nobody_reads(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as unread, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", unread)
        patch.setattr(sys, "stderr", unread)
        output.screen.cache_clear()
        yield
    output.screen.cache_clear()


def give_command(monkeypatch: pytest.MonkeyPatch, callback: Callable[[], object]) -> None:
    def get_command(_: click.Context, name: str) -> click.Command:
        return click.Command(name, callback=callback)

    monkeypatch.setattr(cli, "get_command", get_command)


def status_of(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> Any:
    monkeypatch.setattr(sys, "argv", ["eulermaker", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def status_unread(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> Any:
    with nobody_reads(monkeypatch):
        return status_of(monkeypatch, *arguments)


@pytest.mark.parametrize(
    "write",
    [
        lambda: click.echo("a line"),
        lambda: click.echo("a line", err=True),
        lambda: output.show_table(["COLUMN"], [["cell"]]),
    ],
)
def test_a_reader_who_has_seen_enough_is_no_failure(
    write: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_command(monkeypatch, write)
    assert status_unread(monkeypatch, "given") == 0


def test_a_damaged_log_is_told_by_the_status_though_nobody_reads_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def walk(*_: Any, **__: Any) -> LogReport:
        damage = Damage(position=1, kind="hash", explanation="It is another one.")
        return LogReport(position=0, chain=bytes(32), damage=damage)

    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setattr(verify, "walk", walk)
    assert status_unread(monkeypatch, "verify", "--data-dir", tmp_path) == verify.BAD


def test_what_is_wrong_is_told_by_the_status_though_nobody_reads_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check_all(_: Path) -> list[checkup.Finding]:
        return [checkup.bad("disk", "It is full.", "Make room.")]

    monkeypatch.setattr(checkup, "check_all", check_all)
    assert status_unread(monkeypatch, "doctor", "--data-dir", tmp_path) == doctor.UNWELL


def test_ctrl_c_ends_a_command_with_its_own_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check_all(_: Path) -> list[checkup.Finding]:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(checkup, "check_all", check_all)
    assert status_of(monkeypatch, "doctor", "--data-dir", tmp_path) == exits.INTERRUPTED


def test_ctrl_c_where_something_is_asked_for_ends_the_command_with_its_own_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupt)
    give_command(monkeypatch, lambda: click.prompt("Name"))
    assert status_of(monkeypatch, "given") == exits.INTERRUPTED


def test_ctrl_c_ends_the_asking_for_a_secret_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    went_on: list[str] = []

    def ask(variable: str, **_: Any) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        went_on.append(variable)
        return "secret"

    monkeypatch.setenv("EULERMAKER_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("EULERMAKER_KEY", "em_test")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", ask)
    asking = ("container", "run", "--secret", "PASSWORD", "image")
    assert status_of(monkeypatch, *asking) == exits.INTERRUPTED
    assert not went_on
