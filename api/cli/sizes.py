"""Sizes and processors as people type them."""

import re

import click

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
MILLIS = 1_000


class _Bytes(click.ParamType[int]):
    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(
            r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(value).strip(), re.IGNORECASE
        )
        if match is None:
            self.fail(f"{value!r} is not a size. Write it like 512M or 4G.", param, ctx)
        return int(float(match[1]) * UNITS[match[2].upper()])


class _Processors(click.ParamType[int]):
    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """In thousandths of a processor."""
        if isinstance(value, int):
            return value
        try:
            return round(float(str(value)) * MILLIS)
        except ValueError:
            self.fail(f"{value!r} is not a number of processors.", param, ctx)


BYTES = _Bytes()
CPUS = _Processors()
