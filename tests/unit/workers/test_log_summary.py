"""What is remembered of a log that passes by: its size, its last lines, its first errors."""

import pytest

from api.workers.log_summary import LogSummary
from domain.builds.diagnosis import ERROR_LINES, ERROR_WORDS, TAIL_LINES, looks_like_error
from domain.ports import LogFrame

ERRORS = [
    "hello.c:3:1: error: expected ';'",
    "hello.c:1: fatal error: nothing.h: gone",
    "error:",
    "FAIL: test",
    "FAILED 3",
    "make: *** [all] Error 2",
    "main.c: undefined reference to `x'",
    "cat: a: No such file or directory",
    "sh: a: Permission denied",
    "sh: a: command not found",
]


def a_summary(*pieces: str) -> LogSummary:
    summary = LogSummary()
    for piece in pieces:
        summary.add(LogFrame(stream="stdout", data=piece.encode()))
    return summary


@pytest.mark.parametrize("line", ERRORS)
def test_whatever_looks_like_an_error_contains_a_word_that_is_looked_for(line: str) -> None:
    assert looks_like_error(line)
    assert any(word in line.encode() for word in ERROR_WORDS)


def test_the_first_errors_are_kept_in_their_order() -> None:
    lines = [f"error: {number}" for number in range(ERROR_LINES + 5)]
    found = a_summary("fine\n", "\n".join(lines), "\nfine\n").result(chunks=1)
    assert found.errors == tuple(lines[:ERROR_LINES])


def test_an_error_that_comes_in_two_pieces_is_found() -> None:
    assert a_summary("a.c: err", "or: no\n").result(chunks=1).errors == ("a.c: error: no",)


def test_an_error_without_a_line_end_is_found() -> None:
    assert a_summary("fine\nerror: last").result(chunks=1).errors == ("error: last",)


def test_the_last_lines_that_say_something_are_kept_in_their_order() -> None:
    lines = [str(number) for number in range(3 * TAIL_LINES)]
    found = a_summary("\n\n".join(lines), "\n" * 200).result(chunks=1)
    assert found.tail == tuple(lines[-TAIL_LINES:])


def test_the_last_lines_are_kept_over_many_pieces() -> None:
    lines = [str(number) for number in range(3 * TAIL_LINES)]
    found = a_summary(*(f"{line}\n" for line in lines)).result(chunks=1)
    assert found.tail == tuple(lines[-TAIL_LINES:])
