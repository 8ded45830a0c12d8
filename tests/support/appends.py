"""Builders for the log's tests: short to write, complete to record."""

from datetime import UTC, datetime
from itertools import count

from domain.builds.events import BuildCancelRequested
from domain.event import ANY_VERSION, Append, CommandContext, Event

OCCURRED_AT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
_numbers = count(1)


def an_event(note: str = "") -> Event:
    return BuildCancelRequested(build_id="b-1", attempt=1, reason=note)


def a_context(command_id: str | None = None, tenant: str = "default") -> CommandContext:
    return CommandContext(
        command_id=command_id or f"command-{next(_numbers)}",
        correlation_id="request-1",
        actor="key:tests",
        occurred_at=OCCURRED_AT,
        tenant=tenant,
    )


def an_append(
    stream: str = "build-1",
    *events: Event,
    expected: int = ANY_VERSION,
    command_id: str | None = None,
    tenant: str = "default",
    fingerprint: bytes = b"f" * 32,
) -> Append:
    return Append(
        context=a_context(command_id, tenant),
        stream=stream,
        expected_version=expected,
        events=events or (an_event(),),
        fingerprint=fingerprint,
    )
