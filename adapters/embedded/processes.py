"""What both supervisors need of the operating system: a lock, a process, an account to run it as.

A server inherits the lock it was started under. The lock is free exactly when every process of
that server is gone, also after a `kill -9`, also if its pid now belongs to somebody else.
"""

import fcntl
import os
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from adapters.embedded.accounts import Account

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


@contextmanager
def try_lock(path: Path) -> Generator[int | None]:
    """Take the lock if it is free; yields its descriptor, or None if somebody holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor if _flock(descriptor) else None
    finally:
        os.close(descriptor)


@contextmanager
def share_lock(path: Path) -> Generator[Callable[[], bool]]:
    """Hold the lock beside others, once nobody has it alone; yields what takes it alone if nobody
    else holds it, and says whether it did."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield lambda: _flock(descriptor)
    finally:
        os.close(descriptor)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_server(pid: int, argument: Path, uid: int) -> bool:
    """Whether that process runs as that user and was started with that argument.

    The pid alone says nothing: it may be reused, or a zombie, which has no arguments left.
    """
    process = Path("/proc", str(pid))
    try:
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        return process.stat().st_uid == uid and os.fsencode(argument) in arguments
    except OSError:
        return False


def spawn(
    account: Account, command: Sequence[str | Path], *, lock: int, output: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C reaches only its supervisor.

    Its output goes to a file: a pipe would stay open in the server and fill up.
    """
    root = os.geteuid() == 0
    return subprocess.Popen(  # noqa: S603 - our own binaries, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=ENVIRONMENT,
        umask=0o077,
        start_new_session=True,
        pass_fds=(lock,),
        user=account.uid if root else None,
        group=account.gid if root else None,
        extra_groups=[] if root else None,
    )


def run_as(
    account: Account, command: Sequence[str | Path], *, timeout: float, lock: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; 126 if the account may not even start it."""
    root = os.geteuid() == 0
    try:
        return subprocess.run(  # noqa: S603 - our own binaries, no shell
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            pass_fds=() if lock is None else (lock,),
            user=account.uid if root else None,
            group=account.gid if root else None,
            extra_groups=[] if root else None,
        )
    except PermissionError as error:
        return subprocess.CompletedProcess(command, 126, str(error))
