"""Sizes and processors as people type them, within what a container may have."""

import re

import click

from api.cli.checked import bounds
from api.cli.output import size
from domain.containers.spec import Limits

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
MILLIS = 1_000
MEMORY = bounds(Limits, "memory_bytes")
PROCESSORS = bounds(Limits, "cpu_millis")


class _Bytes(click.ParamType[int]):
    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        match = SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a size. Write it like 512M or 4G.", param, ctx)
        count = int(float(match[1]) * UNITS[match[2].upper()])
        least, most = MEMORY
        if not least <= count <= most:
            self.fail(f"{value} is not between {size(least)} and {size(most)}.", param, ctx)
        return count


class _Processors(click.ParamType[int]):
    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """In thousandths of a processor."""
        if isinstance(value, int):
            return value
        try:
            count = round(float(str(value)) * MILLIS)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a number of processors.", param, ctx)
        least, most = PROCESSORS
        if not least <= count <= most:
            self.fail(
                f"{value} is not between {least / MILLIS:g} and {most / MILLIS:g}.", param, ctx
            )
        return count


BYTES = _Bytes()
CPUS = _Processors()
