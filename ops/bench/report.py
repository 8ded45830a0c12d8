"""What a row found, and the file that keeps the newest findings of every row."""

import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
HEADING = re.compile(r"^## ", re.MULTILINE)
INTRODUCTION = """# Bench results

Written by `ops/bench/run`: the newest figures of each row as they came out, good or bad. Each row
and its peer or limit ran in turns in the same run on the same machine; ratios are medians of the
ratios of the rounds, followed by the smallest and the largest. Where the load average is above 1.5,
other work ran on the machine meanwhile: such figures say little until they are taken again.
"""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """lines: Markdown."""

    title: str
    to_reach: str
    reached: bool
    lines: Sequence[str]


Row = Callable[[bool], Section]
"""Measures; True asks for the small sizes that show only whether the row works."""


def as_text(section: Section, *, took_seconds: float) -> str:
    verdict = "reached" if section.reached else "NOT reached"
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    load = os.getloadavg()
    return "\n".join(
        (
            f"{section.title}",
            "",
            f"To reach: {section.to_reach}. **{verdict}**",
            "",
            *section.lines,
            "",
            f"_{now}, {took_seconds:.0f} s, load average after it {load[0]:.1f} {load[1]:.1f}_",
            "",
        )
    )


def save(name: str, text: str, order: Sequence[str]) -> None:
    """Replaces one section and leaves the others."""
    known = _sections()
    known[name] = f"{name}: {text}"
    places = {each: place for place, each in enumerate(order)}
    in_order = sorted(known, key=lambda each: places.get(each, len(places)))
    body = "\n".join(f"## {known[each].rstrip()}\n" for each in in_order)
    RESULTS.write_text(f"{INTRODUCTION}\n{body}")


def _sections() -> dict[str, str]:
    if not RESULTS.exists():
        return {}
    _, *sections = HEADING.split(RESULTS.read_text())
    return {section.partition(":")[0]: section for section in sections}
