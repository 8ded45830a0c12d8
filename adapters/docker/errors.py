"""What an engine's answer, or its silence, means: the one table of error classes.

The line that matters: was the request sent? Before that, nothing was done; after it, nobody knows.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus

import aiohttp
import msgspec
import urllib3

from domain.errors import (
    EngineConflict,
    EngineError,
    EngineOutcomeUnknown,
    EngineRefused,
    EngineUnavailable,
)

_NOT_CONNECTED = (
    ConnectionRefusedError,
    FileNotFoundError,
    PermissionError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
    urllib3.exceptions.ClosedPoolError,
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
)

# What engines call failures of their own, though it is the request that will never do: its user
# or group, its program and its working directory are looked for in the image.
_NEVER = re.compile(
    r"unable to find (?:user|group) |no matching entries in (?:passwd|group) file"
    r"|unable to start container process: exec: \"[^\"]*\": "
    r".*(?:no such file or directory|not found in \$PATH|permission denied)"
    r"|Cannot mkdir: .* is not a directory"
)


class Reply(msgspec.Struct, frozen=True):
    """The whole answer to one call."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """304 is the engine's word for `that is so already`."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES or self.status == HTTPStatus.NOT_MODIFIED

    @property
    def message(self) -> str:
        return engine_message(self.body)


class _EngineMessage(msgspec.Struct):
    message: str


def engine_message(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_EngineMessage).message
    except msgspec.DecodeError:
        return body.decode(errors="replace").strip()


def refused(reply: Reply) -> EngineError:
    """The error for an answer that no method knows better."""
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not _NEVER.search(reply.message):
        return EngineOutcomeUnknown(f"The engine failed ({reply.status}): {reply.message}")
    if reply.status == HTTPStatus.CONFLICT:
        return EngineConflict(reply.message)
    return EngineRefused(reply.message)


def broken(error: BaseException) -> EngineError:
    """The error for a call that got no answer."""
    if any(isinstance(cause, _NOT_CONNECTED) for cause in _causes(error)):
        return unreachable(error)
    return EngineOutcomeUnknown(f"The engine did not answer: {error or type(error).__name__}")


def unreachable(error: BaseException) -> EngineUnavailable:
    """In the words of the system, where it is what said no: the libraries wrap them in theirs."""
    said = (cause.strerror for cause in _causes(error) if isinstance(cause, OSError))
    return EngineUnavailable(f"The engine cannot be reached: {next(filter(None, said), error)}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps; urllib3 and requests wrap in arguments as well."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        wrapped = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [each for each in wrapped if isinstance(each, BaseException)]
