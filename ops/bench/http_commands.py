"""Commands over HTTP: key creation (decode, authenticate, limit, decide, record durably, answer)
beside a bare aiohttp handler that decodes the same body and answers the same JSON.

Of the service only `serve` runs, as nothing else runs beside the bare handler either.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from ops.bench.bare_handler import PATH
from ops.bench.http_load import Answers, Load, put_under
from ops.bench.report import Section
from ops.bench.rounds import Compared, in_turns, percentile
from ops.bench.service import RunningService, free_port, running_service

CONNECTIONS = (1, 64)
TO_REACH = 0.5
BODY = b'{"role":"viewer"}'
HEAD = """POST {path} HTTP/1.1\r
Host: 127.0.0.1:{port}\r
Authorization: Bearer {key}\r
Content-Type: application/json\r
Content-Length: {length}\r
\r
"""


class Side(msgspec.Struct):
    """One of the two servers; keeps the latencies of its rounds."""

    port: int
    key: str
    p99s: list[float]

    def per_second(self, connections: int, seconds: float) -> float:
        head = HEAD.format(path=PATH, port=self.port, key=self.key, length=len(BODY))
        answers: Answers = put_under(
            Load(
                port=self.port,
                request=head.encode() + BODY,
                connections=connections,
                seconds=seconds,
            )
        )
        self.p99s.append(percentile(answers.latencies, 99))
        return answers.per_second


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    seconds, rounds = (1.0, 1) if quick else (3.0, 5)
    with running_service("serve") as service, _bare_handler() as bare_port:
        found = [_compare(service, bare_port, many, seconds, rounds) for many in CONNECTIONS]
    return Section(
        title="commands over HTTP, beside a bare aiohttp handler",
        to_reach=f"{TO_REACH} of its requests a second, at {CONNECTIONS[-1]} connections",
        reached=found[-1][0].ratio >= TO_REACH,
        lines=(
            *(line for _, line in found),
            f"- {rounds} rounds of {seconds:.0f} s each, POST {PATH}",
        ),
    )


def _compare(
    service: RunningService, bare_port: int, connections: int, seconds: float, rounds: int
) -> tuple[Compared, str]:
    ours = Side(port=service.port, key=service.key, p99s=[])
    bare = Side(port=bare_port, key=service.key, p99s=[])
    ours.per_second(connections, 0.5)  # warm
    ours.p99s.clear()
    compared = in_turns(
        lambda: ours.per_second(connections, seconds),
        lambda: bare.per_second(connections, seconds),
        rounds,
    )
    return compared, (
        f"- {connections} connections: ours {compared.our_median:,.0f}/s"
        f" (p99 {statistics.median(ours.p99s) * 1e3:.1f} ms),"
        f" bare {compared.peer_median:,.0f}/s"
        f" (p99 {statistics.median(bare.p99s) * 1e3:.1f} ms); ratio {compared.shown_ratio}"
    )


@contextmanager
def _bare_handler() -> Generator[int]:
    port = free_port()
    command = (sys.executable, "-m", "ops.bench.bare_handler", str(port))
    process = subprocess.Popen(command)  # noqa: S603 - our own program
    try:
        time.sleep(1.0)
        yield port
    finally:
        process.terminate()
        process.wait()
