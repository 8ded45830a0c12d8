"""A real Redis for the tests, which they may kill and start again at the same address."""

import os
import signal
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapters.embedded import EmbeddedRedis


class RedisServer:
    def __init__(self, server: EmbeddedRedis, home: Path) -> None:
        self._server = server
        self._pid_file = home / "redis" / "run" / "valkey.pid"
        self.url = server.start()

    def kill(self) -> None:
        os.kill(self._pid(), signal.SIGKILL)
        self._server.stop()  # waits until it is gone

    def freeze(self) -> None:
        """Connections stay open and nothing answers."""
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Harmless to one that is not frozen."""
        os.kill(self._pid(), signal.SIGCONT)

    def start(self) -> None:
        assert self._server.start() == self.url

    def _pid(self) -> int:
        return int(self._pid_file.read_text())


@contextmanager
def running_redis() -> Generator[RedisServer]:
    # Not pytest's directory: its parent is closed, so root's servers could not enter.
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        server = EmbeddedRedis(Path(directory))
        redis = RedisServer(server, Path(directory))
        try:
            yield redis
        finally:
            with suppress(OSError):  # killed
                redis.thaw()
            server.stop()
