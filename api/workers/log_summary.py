"""What is recorded of a log: its size and digest, its last lines and its first errors."""

import hashlib
from collections import deque
from collections.abc import Sequence

from domain.builds.diagnosis import ERROR_LINES, ERROR_WORDS, TAIL_LINES, looks_like_error
from domain.builds.events import StepLog
from domain.ports import LogFrame

MAX_LINE = 500


class LogSummary:
    """Gathered as the log passes."""

    def __init__(self) -> None:
        self.size = 0
        self.truncated = False
        self._digest = hashlib.sha256()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._errors: list[str] = []
        self._rest: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def add(self, frame: LogFrame) -> None:
        self.size += len(frame.data)
        self._digest.update(frame.data)
        written = self._rest[frame.stream] + frame.data
        *lines, rest = written.split(b"\n")
        self._rest[frame.stream] = rest[-MAX_LINE * 4 :]
        if any(word in written for word in ERROR_WORDS):
            self._note_errors(lines)
        self._keep_last(lines)

    def _note_errors(self, lines: Sequence[bytes]) -> None:
        for raw in lines:
            if len(self._errors) >= ERROR_LINES:
                return
            if any(word in raw for word in ERROR_WORDS) and looks_like_error(line := _text(raw)):
                self._errors.append(line)

    def _keep_last(self, lines: Sequence[bytes]) -> None:
        """Only these are decoded: most lines of a log are followed by enough others."""
        newest: deque[str] = deque(maxlen=TAIL_LINES)
        for raw in reversed(lines):
            if line := _text(raw):
                newest.appendleft(line)
            if len(newest) == TAIL_LINES:
                break
        self._tail.extend(newest)

    def result(self, *, chunks: int) -> StepLog:
        for rest in self._rest.values():
            self._note_errors([rest])
            self._keep_last([rest])
        self._rest = {"stdout": b"", "stderr": b""}
        return StepLog(
            size=self.size,
            digest=f"sha256:{self._digest.hexdigest()}",
            chunks=chunks,
            tail=tuple(self._tail),
            errors=tuple(self._errors),
            truncated=self.truncated,
        )


def _text(raw: bytes) -> str:
    return raw[: MAX_LINE * 4].decode(errors="replace")[:MAX_LINE].rstrip()
