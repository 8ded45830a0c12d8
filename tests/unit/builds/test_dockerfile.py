"""An ADD of an address would have the engine fetch it, from the network of its own machine."""

import pytest

from domain.builds.dockerfile import ADVICE, why_refused


@pytest.mark.parametrize(
    "text",
    [
        "ADD http://127.0.0.1:2375/containers/json /x",
        "  add https://a/b /x",
        "ADD --chown=1:1 http://a /x",
        "ONBUILD ADD http://a /x",
        "ARG FROM_WHERE\nADD $FROM_WHERE /x",
        "ADD ${a}b /x",
        "ADD a http://b /x",
        "ADD \\\n  # a remark\n\n  http://a \\\n /x",
        "# escape=`\nADD `\n http://a /x",
        "# syntax=x\n# escape = `\nADD `\n http://a /x",
        "ADD http:\\//a /x",
        'ADD http:"//"a /x',
        "ADD http:'//'a /x",
        'ADD ["http://a", "/x"]',
        'ADD ["http:\\u002f\\u002fa", "/x"]',
        'ADD --chown=1 ["$a", "/x"]',
        "\ufeffADD http://a /x",
        "RUN true\\\n\nADD /x\nADD http://a /x",
        "ADD http://a \\",
    ],
)
def test_an_add_of_an_address_however_it_is_written_is_refused(text: str) -> None:
    refusal = why_refused(text)
    assert refusal is not None
    assert ADVICE in refusal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FROM https.example/image",
        "ADD --chown=$user:1 package.tar.gz /opt/",
        'ADD ["one", "two", "/opt/"]',
        "RUN curl -o /x https://a && echo ADD http://a",
        "# ADD http://a /x",
        "COPY $what /x",
        "ENV A=http://a",
        "ADD",
        "ONBUILD",
    ],
)
def test_anything_else_is_the_engines_to_judge(text: str) -> None:
    assert why_refused(text) is None


def test_a_refusal_names_the_line_on_which_it_begins() -> None:
    text = "FROM scratch\n\n# why\nRUN a \\\n b\nADD \\\n http://a /x\n"
    assert (why_refused(text) or "").startswith("Line 6 ")
