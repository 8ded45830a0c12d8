"""What people see of what others wrote."""

from datetime import UTC, datetime, timedelta

import pytest

from api.cli.addresses import place, with_login
from api.cli.output import size, terminal_safe, took
from api.cli.sizes import BYTES, CPUS

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_colours_of_a_log_stay() -> None:
    assert terminal_safe("\x1b[31mred\x1b[0m\n\ttab\r\n") == "\x1b[31mred\x1b[0m\n\ttab\r\n"


@pytest.mark.parametrize(
    "hostile", ["\x1b]0;title\x07", "\x1b[2J", "\x1b[6n", "\x9b2J", "a\x08b", "a\rb", "\x7f"]
)
def test_a_log_cannot_command_the_terminal(hostile: str) -> None:
    shown = terminal_safe(hostile)
    assert all(character.isprintable() for character in shown)


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 1024**3, "3.0 GiB")]
)
def test_sizes_are_told_in_powers_of_1024(count: int, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(1.25, "1.2 s"), (61, "1 min 1 s"), (7320, "2 h 2 min")]
)
def test_durations_are_told_as_people_say_them(seconds: float, shown: str) -> None:
    assert took(NOON, NOON + timedelta(seconds=seconds)) == shown


def test_what_has_not_ended_took_no_time_yet() -> None:
    assert took(NOON, None) == ""


@pytest.mark.parametrize(
    ("text", "count"),
    [("512M", 512 * 1024**2), ("1.5GiB", 3 * 512 * 1024**2), ("10000000", 10_000_000)],
)
def test_sizes_are_read_as_people_write_them(text: str, count: int) -> None:
    assert BYTES.convert(text, None, None) == count


def test_processors_are_counted_in_thousandths() -> None:
    assert CPUS.convert("0.5", None, None) == 500


def test_a_password_is_never_part_of_a_shown_address() -> None:
    assert place("postgresql://me:secret@db.example:5433/x") == "db.example:5433"


def test_each_of_several_hosts_is_part_of_a_shown_address() -> None:
    assert place("postgresql://me:secret@one:5432,[::1]:5433/x") == "one:5432,[::1]:5433"


def test_another_login_keeps_the_rest_of_the_address() -> None:
    url = with_login("postgresql://me:a%40b@db:5433/x?sslmode=require", "svc", "p@ss")
    assert url == "postgresql://svc:p%40ss@db:5433/x?sslmode=require"
