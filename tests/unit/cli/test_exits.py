"""What a script sees: one status per outcome, and none of them for our own trouble."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.embedded import own_data_directory
from adapters.postgres.table_copies import CopiedDatabase
from api.cli import exits
from api.cli.backup_files import FORMAT, Manifest, write_manifest
from api.cli.build_follow import OUTCOMES
from api.cli.main import cli, main
from api.cli.problems import read_problem, refusal
from domain.builds.state import ENDED, Phase
from domain.event import LogHead


def test_every_way_a_build_ends_has_its_own_status() -> None:
    assert set(OUTCOMES) == ENDED
    assert len(set(OUTCOMES.values())) == len(OUTCOMES)
    assert OUTCOMES[Phase.SUCCEEDED] == 0


def test_our_own_trouble_is_never_taken_for_an_outcome() -> None:
    ours = {status for name, status in vars(exits).items() if name.isupper()}
    assert exits.IO_ERROR in ours
    assert ours.isdisjoint(OUTCOMES.values())


def test_a_file_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["eulermaker", "backup", str(tmp_path / "file" / "x")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == exits.IO_ERROR
    assert capsys.readouterr().err == f"Error: {tmp_path}/file/x: Not a directory.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up"], "Stop that one first"),
        (["restore", "."], "is no finished backup"),
        (["backup", "x"], "There is no database in"),
    ],
)
def test_what_is_refused_here_is_never_taken_for_a_failed_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with own_data_directory(tmp_path):
        refused = CliRunner().invoke(cli, [*arguments, "--data-dir", str(tmp_path)])
    assert refused.exit_code == exits.REFUSED
    assert said in refused.stderr


@pytest.mark.parametrize("arguments", [["backup", "new"], ["restore", "made"], ["verify"]])
def test_a_database_that_does_not_answer_is_one_sentence_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    manifest = Manifest(
        format=FORMAT,
        backup_id="b",
        made_at=datetime(2026, 11, 2, tzinfo=UTC),
        release="1",
        database=CopiedDatabase(
            head=LogHead(position=0, chain=bytes(32)), migrations=(), tables=()
        ),
        trees=(),
        key_sha256="",
    )
    (tmp_path / "made").mkdir()
    write_manifest(tmp_path / "made", manifest)
    ended = CliRunner().invoke(cli, [*arguments, "--data-dir", str(tmp_path / "data")])
    assert ended.exit_code == exits.UNAVAILABLE, ended.output
    assert "PostgreSQL does not answer" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not list((tmp_path / "new").glob("*")), "the same command can be given again"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, exits.NOT_ALLOWED),
        (403, exits.NOT_ALLOWED),
        (404, exits.REFUSED),
        (409, exits.REFUSED),
        (429, exits.UNAVAILABLE),
        (503, exits.UNAVAILABLE),
    ],
)
def test_a_refusal_says_by_its_status_whether_trying_again_helps(
    status: int, expected: int
) -> None:
    assert refusal(read_problem(status, b"{}")).exit_code == expected


def test_a_problem_is_told_in_the_words_of_the_service() -> None:
    body = b'{"type": "urn:x", "title": "No", "detail": "Stop it first.", "rule": "r"}'
    assert refusal(read_problem(409, body)).message == "Stop it first."


def test_an_answer_that_is_no_problem_document_is_still_told() -> None:
    assert "502: <html>" in refusal(read_problem(502, b"<html>bad gateway")).message


def test_every_command_shows_its_help() -> None:
    runner = CliRunner()
    for name in cli.list_commands(cli.make_context("eulermaker", [], resilient_parsing=True)):
        result = runner.invoke(cli, [name, "--help"])
        assert result.exit_code == 0, name
        assert "Usage:" in result.output


def test_a_wrong_key_is_told_where_this_command_line_takes_one_from() -> None:
    body = b'{"detail": "Send a key that is valid."}'
    assert "EULERMAKER_KEY" in refusal(read_problem(401, body)).message
    assert refusal(read_problem(403, body)).message == "Send a key that is valid."
