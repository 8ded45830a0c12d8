"""Ports for what a test starts."""

import random
import socket

NEVER_GIVEN_OUT = range(20_000, 30_000)
"""By the kernel: whoever else asks for any free port meanwhile gets another one."""


def free_port() -> int:
    while True:
        port = random.choice(NEVER_GIVEN_OUT)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
