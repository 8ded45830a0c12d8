"""Small but real spec files, and the tools to build them as a user does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.acceptance.cli_support import Result, Started

HEAD = """\
Name:           {name}
Version:        1.0
Release:        1
Summary:        A package of the tests
License:        MIT
{preamble}
%description
A package of the tests.

%prep
{prep}
%build
{build}
%install
{install}
%check
{check}
%files
{files}
%changelog
* Thu Jan 01 2026 Tests <tests@localhost> - 1.0-1
- Begin
"""


def write_spec(folder: Path, name: str, **sections: str) -> Path:
    """Sections that are not given stay empty: such a package builds, and holds nothing."""
    known = ("preamble", "prep", "build", "install", "check", "files")
    path = folder / f"{name}.spec"
    path.write_text(HEAD.format(name=name, **{key: sections.get(key, "") for key in known}))
    return path


def submit(service: Started, spec: Path, *options: str) -> Result:
    """Followed to its end; the exit status tells how it ended."""
    return service.run("build", "submit", spec, "--follow", *options)


def newest(service: Started, name: str) -> Any:
    """The details of the last build of this name."""
    listed = [
        json.loads(line)
        for line in service.run("build", "list", "--json").stdout.split("\n")
        if line
    ]
    found = next(each for each in listed if each["name"] == name)
    return service.json("build", "show", found["build_id"])["value"]


def until(lines: Iterator[str], wanted: str) -> None:
    """The line alone, not that of the command which writes it."""
    assert any(line.strip() == wanted for line in lines), f"the log ended without {wanted}"
