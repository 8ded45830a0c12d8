"""What the engine itself says that it did, written down as it happens: it forgets all but 256."""

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any, Self

import msgspec

from domain.processes import naming
from ops.bench.faults.engine import PrivateEngine

PAUSE_SECONDS = 0.1


class EngineDiary:
    """Counts the engine's events of each container. Engines that go away are waited for."""

    def __init__(self, engine: PrivateEngine) -> None:
        self._engine = engine
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._steps: Counter[str] = Counter()
        self._known: set[bytes] = set()
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="engine diary")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        self._stopping.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
        if self._task is not None:
            await self._task

    def of(self, name: str) -> Counter[str]:
        return self._counts[name]

    def total(self, action: str) -> int:
        return sum(counts[action] for counts in self._counts.values())

    def starts_of_steps(self) -> Counter[str]:
        return self._steps

    async def _follow(self) -> None:
        """Never cancelled: who is cancelled while a process starts may wait for it in vain."""
        while not self._stopping.is_set():
            self._process = process = await asyncio.create_subprocess_exec(
                "docker", "-H", self._engine.host, "events", "--since", "1", "--format",
                "{{json .}}", "--filter", "type=container",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            if self._stopping.is_set():
                process.kill()
            assert process.stdout is not None
            async for line in process.stdout:
                if line not in self._known:  # an engine tells its last ones again
                    self._known.add(line)
                    self._note(msgspec.json.decode(line))
            await process.wait()
            await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, event: dict[str, Any]) -> None:
        attributes = event["Actor"]["Attributes"]
        action = event["Action"]
        if action == "kill":
            action = f"kill {attributes.get('signal', '')}"
        if action == "stop" and self._engine.was_away(event["timeNano"] / 1e9):
            action = "stop with the engine"
        self._counts[attributes["name"]][action] += 1
        if action == "start" and naming.STEP in attributes:
            self._steps[attributes["name"]] += 1
