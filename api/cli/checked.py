"""Options held to the domain's own rules before anything is sent, and refused in words."""

from typing import Any, get_type_hints

import click
import msgspec

from domain.builds.spec import BuildArgument, FileName, ImageSource
from domain.containers.spec import AbsolutePath, ContainerSpec, ImageReference, Name, Variable


class Checked(click.ParamType[str]):
    """kind: of the domain. rule: what it demands, after the refused text."""

    def __init__(self, name: str, kind: Any, rule: str) -> None:
        self.name = name
        self._kind = kind
        self._rule = rule

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        try:
            text: str = msgspec.convert(value, self._kind)
        except msgspec.ValidationError:
            self.fail(f"{value!r} {self._rule}", param, ctx)
        return text


NAME = Checked(
    "name",
    Name,
    "is no name here: 1 to 63 of a-z, 0-9, '_', '.' and '-', a letter or digit first.",
)
IMAGE = Checked(
    "image", ImageReference, "is no image. Write it like registry.example/name:tag, in lower case."
)
PATH = Checked("path", AbsolutePath, "is no path here: it begins with / and has no : or comma.")
VARIABLE = Checked(
    "variable", Variable, "is no variable: letters, digits and '_', a letter or '_' first."
)
BUILD_ARGUMENT = Checked(
    "argument", BuildArgument, "is no argument: letters, digits and '_', a letter or '_' first."
)
FILE_NAME = Checked(
    "file",
    FileName,
    "cannot be a source: rename it to letters, digits and '_', '+', '~', '^', '.' and '-'.",
)


def _rule_of(kind: type[msgspec.Struct], field: str) -> Any:
    return get_type_hints(kind, include_extras=True)[field]


USER = Checked(
    "user",
    _rule_of(ContainerSpec, "user"),
    "is no user: a name or number of letters, digits, '_', '.' and '-', or USER:GROUP.",
)
TARGET = Checked(
    "stage", _rule_of(ImageSource, "target"), "is no stage: letters, digits, '_', '.' and '-'."
)
DOCKERFILE = Checked(
    "file",
    _rule_of(ImageSource, "dockerfile"),
    "is no path in the context: relative, of letters, digits, '_', '.', '-' and '/'.",
)


def bounds(kind: type[msgspec.Struct], field: str) -> tuple[int, int]:
    """Of a whole number in the domain: the least and the most."""
    about = msgspec.inspect.type_info(kind)
    assert isinstance(about, msgspec.inspect.StructType)
    number = next(each.type for each in about.fields if each.name == field)
    assert isinstance(number, msgspec.inspect.IntType)
    assert number.ge is not None
    assert number.le is not None
    return number.ge, number.le
