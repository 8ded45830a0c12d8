"""The bench table: `ops/bench/run [ROW…]` measures its rows and keeps what they found."""

import argparse
import subprocess
import sys
import time

import msgspec

from ops.bench import (
    bulk,
    container_start,
    http_commands,
    idle_memory,
    live_events,
    log_throughput,
    machine,
    rpm_build,
    scale,
)
from ops.bench.ending import end_at_sigterm
from ops.bench.report import RESULTS, Row, Section, as_text, save

MACHINE = "machine"


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A bench with a command line of its own: what it prints is what it found, and its exit status
    says whether all was reached."""

    module: str
    title: str
    to_reach: str
    quick_arguments: tuple[str, ...]

    def measure(self, quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
        command = (sys.executable, "-m", self.module, *(self.quick_arguments if quick else ()))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as script:  # noqa: S603 - our own program
            try:
                output, _ = script.communicate()
            finally:
                script.terminate()
        return Section(
            title=self.title,
            to_reach=self.to_reach,
            reached=script.returncode == 0,
            lines=("```", *output.splitlines(), "```"),
        )


ROWS: dict[str, Row] = {
    "append": Script(
        module="ops.bench.append",
        title="one-event commands to new streams, beside the stock `eventsourcing` recorder",
        to_reach="1.1x / 5.5x / 13x / 22x / 30x of it at 1 / 16 / 64 / 256 / 1,024 callers,"
        " p99 at 256 under 100 ms",
        quick_arguments=("--seconds", "0.5"),
    ).measure,
    "bulk": bulk.measure,
    "rebuild": Script(
        module="ops.bench.rebuild",
        title="all read models from the log, beside the stock projection runner and the bare work",
        to_reach="50x of the stock runner, 0.3 of reading, decoding and COPY of the final rows",
        quick_arguments=("--events", "10000", "--stock-events", "300"),
    ).measure,
    "live-events": live_events.measure,
    "http-commands": http_commands.measure,
    "container-start": container_start.measure,
    "rpm-build": rpm_build.measure,
    "log-throughput": log_throughput.measure,
    "idle-memory": idle_memory.measure,
    "scale": scale.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="ops/bench/run", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing is kept")
    chosen = parser.parse_args()
    end_at_sigterm()
    if unknown := set(chosen.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}. There are {', '.join(ROWS)}")
    missed = [name for name in chosen.rows or ROWS if not _measured(name, quick=chosen.quick)]
    if not chosen.quick:
        save(MACHINE, machine.describe(), (MACHINE, *ROWS))
        print(f"\nKept in {RESULTS}")
    if missed:
        print(f"Not reached: {', '.join(missed)}")
    sys.exit(1 if missed else 0)


def _measured(name: str, *, quick: bool) -> bool:
    print(f"\n==> {name}", flush=True)
    began = time.monotonic()
    section = ROWS[name](quick)
    text = as_text(section, took_seconds=time.monotonic() - began)
    print(text, flush=True)
    if not quick:
        save(name, text, (MACHINE, *ROWS))
    return section.reached


if __name__ == "__main__":
    main()
