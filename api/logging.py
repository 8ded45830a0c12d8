"""Structured logs on standard error: one JSON object a line, or text for people.

Whatever is logged, by us or by a library, passes `redact` as the last thing before it is written.
"""

import json
import logging
import sys

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from api.redaction import redact, redact_bytes
from api.settings import LoggingSettings

_ENCODER = msgspec.json.Encoder(enc_hook=repr)


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
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer)
        if as_json
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _take_over_library_logs(level, shared, _render_json_text if as_json else console)


def render_json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    try:
        line = _ENCODER.encode(event)
    except (ValueError, TypeError):  # text that is no Unicode, keys that are no text
        line = json.dumps(event, default=repr, skipkeys=True).encode()
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
