"""Commands over HTTP: key creation (decode, authenticate, limit, decide, record durably, answer)
beside a bare aiohttp handler that decodes the same body and answers the same JSON, and beside the
limit of any durable command: that handler where it also records the event.

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
RECORDED_NO_MORE = (
    '- "recorded, no more": the bare handler where it also records the event durably, and neither'
    " asks for a key, nor limits, decides, measures or logs"
)
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
    with (
        running_service("serve") as service,
        _handler() as bare_port,
        _handler(service.database_url) as recording_port,
    ):
        lines: list[str] = []
        ratio = 0.0
        for connections in CONNECTIONS:
            bare = _side(service, bare_port)
            for who, port in (("ours", service.port), ("recorded, no more", recording_port)):
                side = _side(service, port)
                compared = _compare(side, bare, connections, seconds, rounds)
                lines.append(_line(connections, who, side, bare, compared))
                if port == service.port:
                    ratio = compared.ratio
    return Section(
        title="commands over HTTP, beside a bare aiohttp handler",
        to_reach=f"{TO_REACH} of its requests a second, at {CONNECTIONS[-1]} connections",
        reached=ratio >= TO_REACH,
        lines=(
            *lines,
            RECORDED_NO_MORE,
            f"- {rounds} rounds of {seconds:.0f} s each, POST {PATH}",
        ),
    )


def _side(service: RunningService, port: int) -> Side:
    return Side(port=port, key=service.key, p99s=[])


def _compare(side: Side, bare: Side, connections: int, seconds: float, rounds: int) -> Compared:
    side.per_second(connections, 0.5)  # warm
    side.p99s.clear()
    bare.p99s.clear()
    return in_turns(
        lambda: side.per_second(connections, seconds),
        lambda: bare.per_second(connections, seconds),
        rounds,
    )


def _line(connections: int, who: str, side: Side, bare: Side, compared: Compared) -> str:
    return (
        f"- {connections} connections: {who} {compared.our_median:,.0f}/s"
        f" (p99 {statistics.median(side.p99s) * 1e3:.1f} ms),"
        f" bare {compared.peer_median:,.0f}/s"
        f" (p99 {statistics.median(bare.p99s) * 1e3:.1f} ms); ratio {compared.shown_ratio}"
    )


@contextmanager
def _handler(*database_url: str) -> Generator[int]:
    port = free_port()
    command = (sys.executable, "-m", "ops.bench.bare_handler", str(port), *database_url)
    process = subprocess.Popen(command)  # noqa: S603 - our own program
    try:
        time.sleep(1.0)
        yield port
    finally:
        process.terminate()
        process.wait()
