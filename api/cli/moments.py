"""Moments as people type them: with a zone, or of this machine's zone."""

from datetime import datetime

import click


class _Moment(click.ParamType[datetime]):
    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(str(value)).astimezone()
        except ValueError:
            self.fail(f"{value!r} is no time. Write it like 2026-01-31T12:00:00Z.", param, ctx)


MOMENT = _Moment()
