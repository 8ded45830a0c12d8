"""`eulermaker doctor`: every part checked, each finding with what to do about it."""

import asyncio
import sys
from pathlib import Path

import click

from api.cli import output
from api.cli.checkup import Finding, Verdict
from api.cli.options import data_dir_option, json_option
from api.cli.unread import until_unread

UNWELL = 1
SIGNS = {
    Verdict.GOOD: ("ok", "green"),
    Verdict.WARNING: ("!!", "yellow"),
    Verdict.BAD: ("no", "red"),
}


@click.command()
@data_dir_option
@json_option
def doctor(*, data_dir: Path, as_json: bool) -> None:
    """Check each part; say what to do about what is wrong.

    Changes nothing. The exit status is 0 if nothing is wrong (warnings are not), else 1.
    """
    from api.cli.checkup import check_all

    findings = asyncio.run(check_all(data_dir))
    with until_unread():
        if as_json:
            output.show_rows(findings)
        else:
            for finding in findings:
                _show(finding)
    sys.exit(UNWELL if any(each.verdict is Verdict.BAD for each in findings) else 0)


def _show(finding: Finding) -> None:
    sign, colour = SIGNS[finding.verdict]
    part = click.style(finding.part.ljust(14), bold=True)
    click.echo(f"{click.style(sign, fg=colour)}  {part}  {output.terminal_safe(finding.found)}")
    if finding.advice:
        click.echo(f"{'':20}{finding.advice}")
