import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections import cursor
from projections.errors import InvalidCursor


@given(st.integers(0, cursor.NEWEST))
def test_a_cursor_comes_back_as_its_position(position: int) -> None:
    assert cursor.decode("builds", cursor.encode("builds", position)) == position


@given(st.text())
def test_any_other_text_is_refused_and_never_an_error_of_ours(text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursor.decode("builds", text)


def test_a_cursor_is_of_one_list_only() -> None:
    with pytest.raises(InvalidCursor):
        cursor.decode("builds", cursor.encode("containers", 5))


def test_a_list_begins_above_every_position() -> None:
    assert cursor.decode("builds", None) == cursor.NEWEST
