"""Structured logs on standard error: one JSON object a line, or text for people.

Whatever is logged, by us or by a library, passes `redact` as the last thing before it is written.
What cannot be written is lost: a full disk must stop nobody who only says something.
"""

import asyncio
import json
import logging
import sys
from contextlib import suppress
from datetime import datetime
from typing import IO, AnyStr, BinaryIO, Generic, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from api.redaction import redact, redact_bytes
from api.settings import LoggingSettings

_ENCODER = msgspec.json.Encoder(enc_hook=repr)


class RequestLine(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged of every request. route: its template."""

    event: str = "request"
    level: str = "info"
    timestamp: datetime
    correlation_id: str
    method: str
    path: str
    route: str
    status: int
    milliseconds: float
    address: str


class RequestLog:
    """As JSON a line goes past the processors of other lines, which cost a fifth of a small
    request, and out with all those of this turn of the event loop, for a write is dear, too."""

    def __init__(self) -> None:
        self._is_wanted = True
        self._as_json = False
        self._lines: list[bytes] = []
        self._log = structlog.get_logger("http")

    def configure(self, *, is_wanted: bool, as_json: bool) -> None:
        self._is_wanted, self._as_json = is_wanted, as_json

    def write(self, line: RequestLine) -> None:
        if not self._is_wanted:
            return
        if not self._as_json:
            self._log.info(**msgspec.structs.asdict(line))
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(_as_json(line))

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        output = _Lossy[bytes](sys.stderr.buffer)
        output.write(b"\n".join([*lines, b""]))
        output.flush()


class _Lossy(Generic[AnyStr]):
    def __init__(self, output: IO[AnyStr]) -> None:
        self._output: IO[AnyStr] = output

    def write(self, text: AnyStr) -> int:
        with suppress(OSError):
            self._output.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._output.flush()


REQUESTS = RequestLog()


def configure_logging(settings: LoggingSettings) -> None:
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_json = settings.format == "json"
    console = ConsoleRenderer()
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            render_json if as_json else console,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _Lossy(sys.stderr.buffer)))
        if as_json
        else structlog.PrintLoggerFactory(cast("TextIO", _Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    REQUESTS.configure(is_wanted=level <= logging.INFO, as_json=as_json)
    _take_over_library_logs(level, shared, _render_json_text if as_json else console)


def render_json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return _as_json(event)


def _as_json(event: EventDict | RequestLine) -> bytes:
    try:
        line = _ENCODER.encode(event)
    except (ValueError, TypeError):  # text that is no Unicode, keys that are no text
        known = msgspec.structs.asdict(event) if isinstance(event, RequestLine) else event
        line = json.dumps(known, default=repr, skipkeys=True).encode()
    return redact_bytes(line)


def _render_json_text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    return render_json(logger, name, event).decode()


class ConsoleRenderer:
    def __init__(self) -> None:
        self._render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        return redact(self._render(logger, name, event))


def _take_over_library_logs(level: int, shared: list[Processor], renderer: Processor) -> None:
    """What libraries say through the standard module comes out in the same form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
