"""Why a step failed, and whose fault it is, from its exit and its log. Pure text work."""

import re

import msgspec

from domain.builds.events import Step, StepLog

TAIL_LINES = 50
ERROR_LINES = 10

_ERROR = re.compile(
    r"(\b(fatal )?error: |^error:|^FAIL(ED)?[: ]|\*\*\*.*Error \d+|undefined reference to"
    r"|No such file or directory|Permission denied|command not found)"
)
_PHASE = re.compile(r"Bad exit status from \S+ \((%\w+)\)")
_NEEDED = re.compile(r"^\s+(?P<name>\S.*?) is needed by \S+")
_UNMATCHED = re.compile(
    r"(?:No match for argument|Unable to find a match|nothing provides):? (?P<name>.+?)"
    r"(?: needed by .*)?$"
)
_NETWORK = re.compile(
    r"(Failed to download metadata|Cannot download|Curl error|Could not resolve host"
    r"|Temporary failure in name resolution|No space left on device)"
)
_SIGNALLED = 128
_SIGKILL = 137


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """user_fault: the package must change; otherwise the system failed, perhaps only this time."""

    user_fault: bool
    reason: str
    phase: str = ""
    unresolved: tuple[str, ...] = ()
    retryable: bool = False


def looks_like_error(line: str) -> bool:
    return _ERROR.search(line) is not None


def diagnose(
    step: Step, exit_code: int, log: StepLog, *, out_of_memory: bool, memory_bytes: int
) -> Diagnosis:
    lines = (*log.errors, *log.tail)
    if out_of_memory:
        limit = memory_bytes // (1024 * 1024)
        return Diagnosis(
            user_fault=True,
            reason=f"{step} needed more than its {limit} MiB of memory. Raise limits.memory_bytes.",
        )
    if exit_code == _SIGKILL:
        return Diagnosis(
            user_fault=False, retryable=True, reason=f"{step} was killed by somebody outside."
        )
    unresolved = unresolved_requirements(lines)
    if unresolved:
        return Diagnosis(
            user_fault=True,
            reason=f"Nothing provides BuildRequires: {', '.join(unresolved)}.",
            unresolved=unresolved,
        )
    if step is Step.PREPARE or any(_NETWORK.search(line) for line in lines):
        return _system_failure(step, exit_code, lines)
    return _package_failure(step, exit_code, log)


def unresolved_requirements(lines: tuple[str, ...]) -> tuple[str, ...]:
    found = (_NEEDED.search(line) or _UNMATCHED.search(line) for line in lines)
    return tuple(sorted({match["name"].strip() for match in found if match}))


def _system_failure(step: Step, exit_code: int, lines: tuple[str, ...]) -> Diagnosis:
    network = next((line for line in lines if _NETWORK.search(line)), None)
    cause = network or (lines[-1] if lines else "no output")
    return Diagnosis(
        user_fault=False, retryable=True, reason=f"{step} ended with {exit_code}: {cause.strip()}"
    )


def _package_failure(step: Step, exit_code: int, log: StepLog) -> Diagnosis:
    phase = next((m[1] for line in log.tail if (m := _PHASE.search(line))), "")
    where = phase or str(step)
    how = f"died of signal {exit_code - _SIGNALLED}" if exit_code > _SIGNALLED else "failed"
    cause = next(iter(log.errors), None) or next(reversed(log.tail), "no output")
    return Diagnosis(user_fault=True, reason=f"{where} {how}: {cause.strip()}", phase=phase)
