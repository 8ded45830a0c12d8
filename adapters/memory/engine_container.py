"""One container in memory: the engine's state machine, with commands told instead of run."""

import asyncio
import hashlib
import io
import signal as signals
import tarfile
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from pathlib import PurePosixPath

import msgspec

from domain.errors import EngineConflict, EngineRefused
from domain.ports import EngineContainer, EngineContainerSpec, EngineImage, LogFrame

_KILLED = 128 + signals.SIGKILL
_HARMLESS = frozenset({"CONT", "WINCH"})


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What a command does. exit_code None: it runs until something ends it.

    log_hangs: who follows its log is never told that it has ended.
    """

    output: tuple[LogFrame, ...] = ()
    files: dict[str, bytes] = {}
    exit_code: int | None = None
    out_of_memory: bool = False
    ignores: frozenset[str] = frozenset()
    fails_to_start: str = ""
    log_hangs: bool = False


class MemoryContainer:
    def __init__(
        self,
        spec: EngineContainerSpec,
        image: EngineImage,
        program: Program,
        *,
        number: int,
        now: Callable[[], datetime],
    ) -> None:
        self.spec = spec
        self.limits = spec.limits
        self.network_is_lost = False
        self.frames: list[LogFrame] = []
        self.files: dict[str, bytes] = {}
        self.directories = {"/", "/srv"}
        self._program = program
        self._now = now
        self._changed = asyncio.Event()
        self._seen = EngineContainer(
            engine_id=hashlib.sha256(f"{number} {spec.name}".encode()).hexdigest(),
            name=spec.name,
            image_id=image.image_id,
            status="created",
            labels={**image.labels, **spec.labels},
            created_at=now(),
        )

    @property
    def seen(self) -> EngineContainer:
        return self._seen

    @property
    def is_active(self) -> bool:
        return self._seen.status in {"running", "paused"}

    def rename(self, name: str) -> None:
        self._become(name=name)

    def start(self) -> None:
        if self._seen.status == "paused":
            raise EngineConflict("cannot start a paused container, try unpause instead")
        if self._seen.status == "running":
            return
        if reason := self._program.fails_to_start:
            self._become(error=reason)
            raise EngineRefused(reason)
        self._become(
            status="running",
            exit_code=None,
            started_at=self._now(),
            finished_at=None,
            out_of_memory=False,
            error="",
        )
        self._run()

    def stop(self) -> None:
        if self.is_active:
            ignored = "TERM" in self._program.ignores
            self.end(_KILLED if ignored else 128 + signals.SIGTERM)

    def kill(self, signal: str) -> None:
        """A paused container is resumed by a signal. Who is dead is killed, but gets no other."""
        if self._seen.status == "created" or not (self.is_active or signal == "KILL"):
            raise EngineConflict(f"Container {self.spec.name} is not running")
        if not self.is_active:
            return
        self._become(status="running")
        if signal == "KILL" or signal not in _HARMLESS | self._program.ignores:
            self.end(128 + getattr(signals, f"SIG{signal}"))

    def pause(self) -> None:
        if not self.is_active:
            raise EngineConflict(f"Container {self.spec.name} is not running")
        self._become(status="paused")

    def unpause(self) -> None:
        if not self.is_active:
            raise EngineConflict(f"Container {self.spec.name} is not paused")
        self._become(status="running")

    def end(self, exit_code: int, *, out_of_memory: bool = False) -> None:
        self._become(
            status="exited",
            exit_code=exit_code,
            finished_at=self._now(),
            out_of_memory=out_of_memory,
        )

    def write(self, frame: LogFrame) -> None:
        self.frames.append(frame)
        self._wake()

    def vanish(self) -> None:
        self._become(status="removing")

    async def logs(self, *, follow: bool) -> AsyncGenerator[LogFrame]:
        position = 0
        while True:
            changed = self._changed
            while position < len(self.frames):
                position += 1
                yield self.frames[position - 1]
            if not follow or not (self.is_active or self._program.log_hangs):
                return
            await changed.wait()

    def put(self, path: str, tar: bytes) -> None:
        known = path.rstrip("/") in {d.rstrip("/") for d in self.directories}
        if not known and not any(PurePosixPath(f).is_relative_to(path) for f in self.files):
            raise EngineRefused(f"Could not find the file {path} in container {self.spec.name}")
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            for member in archive:
                where = str(PurePosixPath(path) / member.name)
                content = archive.extractfile(member) if member.isfile() else None
                if content is None:
                    self.directories.add(where)
                else:
                    self.files[where] = content.read()

    def get(self, path: str) -> bytes:
        """Names in it begin with the last part of the path, as the engine's do."""
        root = PurePosixPath(path)
        inside = {p: d for p, d in self.files.items() if PurePosixPath(p).is_relative_to(root)}
        if not inside and path not in self.directories:
            raise EngineRefused(f"Could not find the file {path} in container {self.spec.name}")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for where, data in inside.items():
                member = tarfile.TarInfo(str(PurePosixPath(where).relative_to(root.parent)))
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return buffer.getvalue()

    def _run(self) -> None:
        program = self._program
        self.files.update(program.files)
        for frame in program.output:
            self.write(frame)
        if program.exit_code is not None:
            self.end(program.exit_code, out_of_memory=program.out_of_memory)

    def _become(self, **changes: object) -> None:
        self._seen = msgspec.structs.replace(self._seen, **changes)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
