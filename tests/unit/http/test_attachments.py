"""No name of a file can end its header or add another."""

import pytest

from api.http.blobs import attachment


def test_a_usual_name_is_given_as_it_is() -> None:
    assert attachment("a-1.0~rc1-1.x86_64.rpm") == 'attachment; filename="a-1.0~rc1-1.x86_64.rpm"'


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ('a"b', "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"),
        ("a\r\nX: y", "attachment; filename=\"a__X__y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ("\u00e9", "attachment; filename=\"_\"; filename*=UTF-8''%C3%A9"),
        ("\udcff", "attachment; filename=\"_\"; filename*=UTF-8''%3F"),
    ],
)
def test_any_other_name_is_escaped(name: str, header: str) -> None:
    assert attachment(name) == header
