"""What the service is asked to do while it is being killed: lives of containers and builds."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from ops.bench.faults.client import Acknowledged, CarefulClient, WrongAnswer

SETTLE_SECONDS = 600.0
LOOK_SECONDS = 0.15
OPERATIONS = ("pause", "unpause", "stop", "start", "restart", "kill", "signal", "rename", "limits")
FIRST, LAST = 2, 7
KEPT_SHARE, HASTY_SHARE, ASKED_AGAIN_SHARE = 0.1, 0.35, 0.15
SCRIPT = "trap '' USR1 HUP; trap 'exit 0' TERM; sleep 1000000 & wait"
SPEC = """\
Name:           {name}
Version:        1
Release:        1
Summary:        Tiny
License:        MIT
BuildArch:      noarch

%description
Tiny.

%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo {name} > %{{buildroot}}/usr/share/{name}/{name}

%files
/usr/share/{name}

%changelog
* Mon Nov 23 2026 EulerMaker <eulermaker@localhost> - 1-1
- Begin
"""


class Load:
    """Runs until it is told to stop; whatever is under way then is brought to its end."""

    def __init__(
        self, client: CarefulClient, *, image: str, containers: int, builds: int, seed: int
    ) -> None:
        self._client = client
        self._image = image
        self._random = random.Random(seed)  # noqa: S311 - a reproducible load
        self._stopping = asyncio.Event()
        self._lives: list[Callable[[], Coroutine[Any, Any, None]]] = [
            *[self._container] * containers,
            *[self._build] * builds,
        ]
        self.containers: list[str] = []
        self.builds: list[str] = []
        self.build_ends: list[dict[str, Any]] = []

    async def until(self, done: Coroutine[Any, Any, None]) -> None:
        """Run as long as that does, and bring to an end what is under way then."""
        async with asyncio.TaskGroup() as group:
            for life in self._lives:
                group.create_task(self._live(life))
            await done
            self._stopping.set()

    async def _live(self, life: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._stopping.is_set():
            with suppress(WrongAnswer):  # it is kept, and judged at the end
                await life()

    async def _container(self) -> None:
        name = f"c{self._random.getrandbits(40):010x}"
        spec = {
            "image": self._image, "name": name, "stop_grace_seconds": 1,
            "command": ["sh", "-c", SCRIPT],
            "network": self._random.choice(["none", "none", "none", "isolated"]),
            "limits": {"memory_bytes": 64 * 2**20, "cpu_millis": 200, "pids": 32},
        }  # fmt: skip
        requested = await self._send("request", "/v1/containers", {"spec": spec})
        container_id = requested.body["id"]
        self.containers.append(container_id)
        for _ in range(self._random.randint(FIRST, LAST)):
            if self._random.random() > HASTY_SHARE:
                await self._settled(container_id)
            await self._operate(container_id)
        if self._random.random() < KEPT_SHARE:
            return
        await self._send("remove", f"/v1/containers/{container_id}?force=true", method="DELETE")

    async def _operate(self, container_id: str) -> None:
        operation = self._random.choice(OPERATIONS)
        body: dict[str, Any] = {}
        path = operation
        if operation == "signal":
            path, body = "kill", {"signal": self._random.choice(["USR1", "HUP"])}
        elif operation == "rename":
            body = {"name": f"r{self._random.getrandbits(40):010x}"}
        elif operation == "limits":
            pids = self._random.randint(16, 64)
            body = {"memory_bytes": 64 * 2**20, "cpu_millis": 200, "pids": pids}
        await self._send(operation, f"/v1/containers/{container_id}/{path}", body)

    async def _send(
        self, kind: str, path: str, body: object = None, *, method: str = "POST"
    ) -> Acknowledged:
        answer = await self._client.command(kind, path, body, method=method)
        if answer.status == "accepted":
            await self._check_seen(path, answer)
        return answer

    async def _check_seen(self, path: str, told: Acknowledged) -> None:
        """The read model, asked for this position, knows of the command."""
        aggregate = f"/v1/{path.split('/')[2]}/{told.body['id']}"
        position, version = told.body["position"], told.body["version"]
        seen = await self._client.read(f"{aggregate}?min_position={position}")
        if seen["value"]["version"] < version:
            self._client.doubt(f"{aggregate} shows version {seen['value']['version']} < {version}")

    async def _settled(self, container_id: str) -> dict[str, Any]:
        """Once nothing that was asked of it still waits for an outcome."""
        return await self._wait(
            f"/v1/containers/{container_id}", lambda row: not row.get("operations")
        )

    async def _build(self) -> None:
        name = f"b{self._random.getrandbits(40):010x}"
        content = SPEC.format(name=name).encode()
        stored = await self._client.upload(content)
        file = {"name": f"{name}.spec", "digest": stored["digest"], "size": len(content)}
        wanted = {"name": name, "source": {"type": "rpm", "spec": file}}
        submitted = await self._send("submit", "/v1/builds", wanted)
        build_id = submitted.body["id"]
        self.builds.append(build_id)
        self.build_ends.append(
            await self._wait(f"/v1/builds/{build_id}", lambda row: row.get("ended_at") is not None)
        )

    async def _wait(self, path: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while True:
                    answer = await self._client.read(f"{path}?min_position=0")
                    row = answer["value"]
                    if reached(row):
                        return row
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            self._client.doubt(f"{path} did not settle in {SETTLE_SECONDS:.0f} s: {row}")
            raise WrongAnswer(path) from None
