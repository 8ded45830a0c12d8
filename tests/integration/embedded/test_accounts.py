"""The account of the embedded servers, on this machine's own user database."""

import os
import pwd
import subprocess
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from adapters.embedded.accounts import Account, system_account

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes system users")

SERVERS = 6


@pytest.fixture
def name() -> Generator[str]:
    name = f"em-test-{uuid4().hex[:12]}"
    yield name
    userdel = ["/usr/sbin/userdel", name]
    subprocess.run(userdel, check=False, capture_output=True, timeout=30)  # noqa: S603


def test_servers_that_start_together_get_one_account(name: str) -> None:
    with ThreadPoolExecutor(SERVERS) as pool:
        accounts = list(pool.map(system_account, [name] * SERVERS))

    entry = pwd.getpwnam(name)
    assert accounts == SERVERS * [Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)]
