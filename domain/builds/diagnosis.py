"""Why a step failed, and whose fault it is, from its exit and its log. Pure text work."""

import re

import msgspec

from domain.builds.events import Step, StepLog

TAIL_LINES = 50
ERROR_LINES = 10
LAST_LINES = 5

_ERROR = re.compile(
    r"(\b(fatal )?error: |^error:|^FAIL(ED)?[: ]|\*\*\*.*Error \d+|undefined reference to"
    r"|No such file or directory|Permission denied|command not found)"
)
ERROR_WORDS = (
    b"error:", b"FAIL", b"***", b"undefined reference to", b"No such file or directory",
    b"Permission denied", b"command not found",
)  # fmt: skip
"""A line without any of these does not look like an error: a search that costs next to nothing."""

_PHASE = re.compile(r"Bad exit status from \S+ \((%\w+)\)")
_NEEDED = re.compile(r"^\s+(?P<name>\S.*?) is needed by \S+")
_UNMATCHED = re.compile(
    r"(?:No match for argument|nothing provides):? (?P<name>.+?)(?: needed by .*)?$"
)
_CAUSE = re.compile(r"(\berror: |^error:|^FAIL(ED)?[: ]|undefined reference to)")
_RPM_SAYS = re.compile(r"^(error: Bad exit status|RPM build errors:|make(\[\d+\])?: \*\*\*)")
_NETWORK = re.compile(
    r"(Failed to download metadata|Cannot download|Curl error|Could not resolve host"
    r"|Temporary failure in name resolution)"
)
_IMAGE_OF_STEP = re.compile(
    r"^Step \d+/\d+ : (?:FROM (?:--\S+ )*|COPY .*--from=)(\S+)", re.IGNORECASE
)
_IMAGE_ERROR = r"^error: (?:invalid from flag value \S+: )?"
_REGISTRY_AWAY = re.compile(
    rf'{_IMAGE_ERROR}(?:failed to .*: )?(?:(?:Get|Head|Post) "https?://[^"]+": |toomanyrequests: )'
)
_NO_IMAGE = re.compile(
    rf"{_IMAGE_ERROR}(?:pull access denied for |manifest for \S+ not found|manifest unknown"
    r"|failed to resolve reference .*: not found)"
)
_DISK_FULL = re.compile(r"no space left on device", re.IGNORECASE)  # Go writes it small
_EPILOGUE = re.compile(
    rf"{_RPM_SAYS.pattern}|^\s+Bad exit status from |^compilation terminated|^\s*$"
)
_SIGNALLED = 128
_SIGKILLED, _SIGTERMED = 137, 143
_UNSEEN = 255
"""What an engine says that was away at the end (containerd: UnknownExitStatus). rpm ends with 254
at most, whatever its scriptlets do."""
_OURS = frozenset({Step.TOOLCHAIN, Step.PREPARE})
_CONNECTED = _OURS | {Step.IMAGE}


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
    memory = f"its {memory_bytes // (1024 * 1024)} MiB of memory"
    if out_of_memory:
        return Diagnosis(
            user_fault=True,
            reason=f"{step} needed more than {memory}. Raise limits.memory_bytes.",
        )
    if step is Step.IMAGE:
        found = _killed_command(exit_code, log, memory) or _base_image_failure(log)
    else:
        found = _outside_failure(step, exit_code)
    if found:
        return found
    broken = _system_fault(step, log)
    unresolved = () if broken or step is Step.TOOLCHAIN else unresolved_requirements(lines)
    if unresolved:
        return Diagnosis(
            user_fault=True,
            reason=f"Nothing provides BuildRequires: {', '.join(unresolved)}.",
            unresolved=unresolved,
        )
    if broken or step in _OURS:
        cause = broken or next(reversed(lines), "no output")
        return Diagnosis(
            user_fault=False,
            retryable=True,
            reason=f"{step} ended with {exit_code}: {cause.strip()}",
        )
    return _package_failure(step, exit_code, log)


def _outside_failure(step: Step, exit_code: int) -> Diagnosis | None:
    """By exit codes that no command of ours gives itself; a RUN of an image may give itself any."""
    if exit_code in {_SIGKILLED, _SIGTERMED}:
        reason = f"{step} was killed by somebody outside."
    elif exit_code == _UNSEEN:
        reason = f"The engine was away when {step} ended, and does not know how it ended."
    else:
        return None
    return Diagnosis(user_fault=False, retryable=True, reason=reason)


def _killed_command(exit_code: int, log: StepLog, memory: str) -> Diagnosis | None:
    """Of an image: its steps are gone before anybody can ask the engine what killed one."""
    if exit_code != _SIGKILLED:
        return None
    return Diagnosis(
        user_fault=True,
        reason=f"{_last_word(log)}. It probably needed more than {memory}:"
        " raise limits.memory_bytes.",
    )


def _last_word(log: StepLog) -> str:
    return next(reversed(log.tail), "").strip().removeprefix("error: ").rstrip(".")


def _base_image_failure(log: StepLog) -> Diagnosis | None:
    """By the engine's own last word: what a RUN prints of its network is no matter of FROM."""
    last = next(reversed(log.tail), "").strip()
    said = _last_word(log)
    named = (match[1] for line in reversed(log.tail) if (match := _IMAGE_OF_STEP.search(line)))
    image = f"Image {next(named, 'of FROM')}"
    if _REGISTRY_AWAY.search(last):
        return Diagnosis(
            user_fault=False,
            retryable=True,
            reason=f"{image} is not in the engine, and its registry cannot be asked: {said}. Check"
            " the name and the registry, or load the image into the engine (docker pull, docker"
            " load).",
        )
    if _NO_IMAGE.search(last):
        return Diagnosis(
            user_fault=True,
            reason=f"{image} is neither in the engine nor to be had from its registry: {said}."
            " Name another, or load it into the engine (docker load).",
        )
    return None


def _system_fault(step: Step, log: StepLog) -> str | None:
    """A line that tells of a disk or a network that failed us; most steps have no network."""
    lines = (*log.errors, *log.tail) if step in _CONNECTED else ()
    network = next((line for line in lines if _NETWORK.search(line)), None)
    return _full_disk(log) or network


def _full_disk(log: StepLog) -> str | None:
    """Only what ended the step: tests provoke the same words, and builds live with them."""
    if _phase(log) == "%check":
        return None
    telling = [line for line in log.tail if not _EPILOGUE.search(line)]
    return next((line for line in telling[-LAST_LINES:] if _DISK_FULL.search(line)), None)


def _phase(log: StepLog) -> str:
    return next((m[1] for line in log.tail if (m := _PHASE.search(line))), "")


def wrote_too_much(step: Step, log: StepLog) -> str:
    """The reason to end a step by, which would otherwise go on."""
    return (
        f"{step} wrote more log than is kept ({log.size} bytes)."
        " Let it write less, or have storage.max_log_bytes raised."
    )


def unresolved_requirements(lines: tuple[str, ...]) -> tuple[str, ...]:
    found = (_NEEDED.search(line) or _UNMATCHED.search(line) for line in lines)
    return tuple(sorted({match["name"].strip() for match in found if match}))


def _package_failure(step: Step, exit_code: int, log: StepLog) -> Diagnosis:
    phase = _phase(log)
    where = phase or str(step)
    how = f"died of signal {exit_code - _SIGNALLED}" if exit_code > _SIGNALLED else "failed"
    cause = _cause(log, phase).strip().removeprefix("error: ")
    if _NETWORK.search(cause):
        cause += ". Builds have no network: add the file to the sources."
    return Diagnosis(user_fault=True, reason=f"{where} {how}: {cause}", phase=phase)


def _cause(log: StepLog, phase: str) -> str:
    """The line that says most: what failed, rather than who noticed.

    Of a failed %check it is in the tail: the errors begin with what %build lived with.
    """
    lines = (*log.tail, *log.errors) if phase == "%check" else (*log.errors, *log.tail)
    telling = [line for line in lines if not _RPM_SAYS.search(line)]
    sure = (line for line in telling if _CAUSE.search(line) or _NETWORK.search(line))
    likely = (line for line in telling if looks_like_error(line))
    last = (line for line in reversed(log.tail) if not _EPILOGUE.search(line))
    return next(sure, None) or next(likely, None) or next(last, "no output")
