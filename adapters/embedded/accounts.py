"""The account the servers run under: ours when we are root, else the user who started us."""

import fcntl
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import msgspec

from adapters.embedded.errors import EmbeddedServerError

PASSWD = Path("/etc/passwd")
SERVICE_ACCOUNT = "eulermaker-db"
USERADD_SECONDS = 30
USERADD_NAME_TAKEN = 9


class Account(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    uid: int
    gid: int


def server_account() -> Account:
    """PostgreSQL refuses to run as root, and `nobody` is shared with others: root uses an
    account that exists for nothing else."""
    uid = os.geteuid()
    if uid != 0:
        return _current(uid)
    return system_account(SERVICE_ACCOUNT)


def system_account(name: str) -> Account:
    """The system user of that name, made where there is none. For root."""
    return _find(name) or _create_once(name)


def _current(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedServerError(
            f"User id {uid} has no name on this machine, and PostgreSQL needs one. Add it to"
            " /etc/passwd, start as another user, or set DATABASE_URL to a server of your own."
        ) from None
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=os.getegid())


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def _create_once(name: str) -> Account:
    """Two `useradd` at once both succeed, and the second gives the name another id under the feet
    of the first. The file that they replace is the lock: whoever waits finds the name then."""
    with PASSWD.open("rb") as passwd:
        fcntl.flock(passwd, fcntl.LOCK_EX)
        return _find(name) or _create(name)


def _create(name: str) -> Account:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        raise EmbeddedServerError(
            f"The embedded servers need a system user '{name}', and there is no useradd to make"
            " it. Create that user, or set DATABASE_URL and REDIS_URL."
        )
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    result = subprocess.run(  # noqa: S603 - constant arguments
        [useradd, *options, "--shell", "/usr/sbin/nologin", name],
        check=False,
        capture_output=True,
        text=True,
        timeout=USERADD_SECONDS,
    )
    account = _find(name)
    if account is None or result.returncode not in {0, USERADD_NAME_TAKEN}:
        raise EmbeddedServerError(
            f"The system user '{name}' could not be made: {result.stderr.strip()}."
            " Create it, or set DATABASE_URL and REDIS_URL."
        )
    return account
