"""What a Dockerfile may not ask for.

The engine carries out ADD by itself: it fetches an address from the network of its own machine,
which no step of a build may reach, and goes on although the build is cancelled.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

ADVICE = (
    "ADD takes only plain names of files of the context here (no address, $, \\ or quotes), for the"
    " engine would fetch an address itself, outside of the build's network. Use COPY, or RUN with a"
    " command that fetches."
)
_ESCAPE = re.compile(r"#\s*escape\s*=\s*(?P<character>[\\`])\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*\w+\s*=")
_NOT_PLAIN = re.compile(r"://|[$\\`'\"]")


def why_refused(dockerfile: str) -> str | None:
    """A sentence that names the line; None where nothing is to be refused."""
    for number, instruction in _instructions(dockerfile.removeprefix("\ufeff")):
        words = instruction.split()
        if words[0].upper() == "ONBUILD":
            words = words[1:]
        if words and words[0].upper() == "ADD" and not _is_plain(words[1:]):
            return f"Line {number} of the Dockerfile: {ADVICE}"
    return None


def _instructions(dockerfile: str) -> Iterator[tuple[int, str]]:
    """With the number of the line that each begins on."""
    lines = dockerfile.splitlines()
    goes_on = re.compile(rf"{re.escape(_escape_character(lines))}[ \t]*$")
    parts: list[str] = []
    begun = 0
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue  # also between the parts of one
        begun = begun if parts else number
        parts.append(goes_on.sub("", text))
        if not goes_on.search(text):
            yield begun, "".join(parts)
            parts = []
    if "".join(parts).strip():
        yield begun, "".join(parts)


def _escape_character(lines: Sequence[str]) -> str:
    """Told, if at all, before anything but other directives."""
    for line in lines:
        if match := _ESCAPE.match(line.strip()):
            return match["character"]
        if not _DIRECTIVE.match(line.strip()):
            break
    return "\\"


def _is_plain(words: Sequence[str]) -> bool:
    """After its options; in either form: words, or a list in JSON."""
    while words and words[0].startswith("--"):
        words = words[1:]
    text = " ".join(words)
    try:
        listed: Any = json.loads(text)
    except ValueError:
        listed = None
    if isinstance(listed, list):
        text = "\n".join(map(str, listed))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # of anything
    return _NOT_PLAIN.search(text) is None
