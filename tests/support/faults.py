"""What the tests that break things need: root, for a network namespace, and the base image."""

import os
import subprocess
from functools import cache

import pytest


@cache
def _missing() -> str:
    if os.geteuid() != 0:
        return "Only root can start an engine of its own"
    listed = subprocess.run(
        ["docker", "images", "--quiet", "eulermaker/base"],  # noqa: S607 - as installed
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return "" if listed.stdout.strip() else "There is no image eulermaker/base. Make one: ops/up"


needs_an_engine_of_its_own = pytest.mark.skipif(bool(_missing()), reason=_missing() or "complete")
