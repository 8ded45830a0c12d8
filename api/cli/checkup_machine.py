"""What can be checked without any server: Python, directories, permissions, space."""

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from api.cli.checkup import Finding, bad, good, warning
from api.cli.data_directory import DataDirectory
from api.settings import Settings

OLDEST_PYTHON = (3, 11)
GIBI = 1024**3
LITTLE, TOO_LITTLE = 5 * GIBI, GIBI // 2


def check_python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return bad("python", found, "Install Python 3.11 or newer, then run ops/up.")
    return good("python", found)


def check_data_directory(settings: Settings) -> Finding:
    for directory in (settings.directory, settings.blob_directory):
        if not directory.exists():
            continue
        try:
            with tempfile.NamedTemporaryFile(dir=directory):
                pass
        except OSError as error:
            advice = f"Run as its owner, or: chown -R $(id -un) {directory}"
            return bad("data directory", f"{directory}: {error.strerror}", advice)
    if not settings.directory.exists():
        return warning("data directory", f"{settings.directory} is not there yet", "eulermaker up")
    return good("data directory", f"{settings.directory} is writable")


def check_private_files(settings: Settings) -> Finding:
    directory = DataDirectory(settings.directory)
    files = (directory.admin_key, directory.service_password, settings.key_file)
    there = [path for path in files if path.exists()]
    opened = [path for path in there if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if opened:
        names = " ".join(map(str, opened))
        return bad("keys", f"others may read {names}", f"chmod 600 {names}; then change them")
    if directory.admin_key.exists() and not os.access(directory.admin_key, os.R_OK):
        return warning("keys", "the admin key is another user's", "Set EULERMAKER_KEY.")
    return good("keys", f"{len(there)} private files, closed to others")


def check_disk(settings: Settings) -> Finding:
    place = _existing(settings.blob_directory)
    free = shutil.disk_usage(place).free
    found = f"{free / GIBI:.1f} GiB free at {place}"
    if free < TOO_LITTLE:
        return bad("disk", found, "Free some space: builds and the log cannot be written.")
    if free < LITTLE:
        return warning("disk", found, "Free some space soon: builds need room.")
    return good("disk", found)


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())
