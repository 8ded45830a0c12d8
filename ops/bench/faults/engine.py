"""A Docker Engine of our own, in a network namespace of its own, to be killed and started again.

Nothing of it is shared with the machine's engine, and nothing of it stays.
"""

import asyncio
import math
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from shutil import rmtree

ANSWER_SECONDS = 120.0
HUNG_SECONDS = 20.0
END_SECONDS = 20.0
PAUSE_SECONDS = 0.05
CGROUPS = Path("/sys/fs/cgroup")
HALF_MADE_NETWORK = b"libnetwork.(*controller).reservePools"
"""Release 20.10 panics there at every start, once it was killed while it made a network."""


class EngineFailed(Exception):
    """The engine cannot be used; the message has its last words."""


class PrivateEngine:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._namespace = f"em-{directory.name}"
        self._process: subprocess.Popen[bytes] | None = None
        self._launched = 0.0
        self._log_begins_at = 0
        self._absences: list[tuple[float, float]] = []
        self.networks_forgotten = 0
        self.host = f"unix://{directory / 'docker.sock'}"

    async def create(self) -> None:
        """Raises EngineFailed where namespaces cannot be made (they need root)."""
        await _run("ip", "netns", "add", self._namespace)
        await self._inside("ip", "link", "set", "lo", "up")

    async def start(self) -> None:
        """Returns once it answers. One that ends at once is started again, as by any supervisor;
        so is one that hangs, as this release may when it was killed among its containers. One that
        cannot get over a half-made network loses all its networks, as by its operator."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not await self.answers():
                    if self._process is None or self._process.poll() is not None:
                        self._forget_half_made_networks()
                        self._launch()
                    elif time.monotonic() - self._launched > HUNG_SECONDS:
                        self._process.kill()
                    await asyncio.sleep(PAUSE_SECONDS)
            self._absences[-1:] = [(began, time.time()) for began, _ in self._absences[-1:]]
        except TimeoutError:
            raise EngineFailed(f"The engine does not answer: {self._last_words()}") from None

    def _last_words(self) -> str:
        lines = (self._directory / "log").read_text(errors="replace").splitlines()
        telling = [line for line in lines if "level=info" not in line]
        return "\n".join(telling[-12:])

    def _forget_half_made_networks(self) -> None:
        log = self._directory / "log"
        if not log.exists() or HALF_MADE_NETWORK not in log.read_bytes()[self._log_begins_at :]:
            return
        (self._directory / "data" / "network" / "files" / "local-kv.db").unlink()
        self.networks_forgotten += 1

    def _launch(self) -> None:
        self._launched = time.monotonic()
        self._remove_stale_pid_files()
        with (self._directory / "log").open("ab") as log:
            self._log_begins_at = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - a daemon, ended by `stop`
                self._command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """By SIGTERM in good order; by SIGKILL it leaves its containers running."""
        process, self._process = self._process, None
        if process is None:
            return
        self._absences.append((time.time(), math.inf))
        process.send_signal(number)
        await asyncio.to_thread(process.wait)

    def was_away(self, moment: float) -> bool:
        """Was it going down, away, or coming up? Then it stops containers by itself."""
        return any(began <= moment <= ended for began, ended in self._absences)

    async def answers(self) -> bool:
        with suppress(EngineFailed):
            return bool(await self.docker("version", "--format", "{{.Server.Version}}"))
        return False

    async def docker(self, *arguments: str) -> str:
        return await _run("docker", "-H", self.host, *arguments)

    async def copy_image(self, reference: str) -> None:
        """From the machine's own engine."""
        reading, writing = os.pipe()
        try:
            save = await asyncio.create_subprocess_exec("docker", "save", reference, stdout=writing)
            load = await asyncio.create_subprocess_exec(
                "docker", "-H", self.host, "load", "--quiet", stdin=reading,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            os.close(reading)
            os.close(writing)
        if any([await save.wait(), await load.wait()]):
            raise EngineFailed(f"{reference} could not be copied")

    async def remove(self) -> None:
        """Everything: containers, daemon, mounts, files, namespace."""
        if self._process is not None:
            await self._remove_containers()
        await self.stop()
        await self._end_leftovers()
        for mount in reversed(_mounts_below(self._directory)):
            with suppress(EngineFailed):
                await _run("umount", "--lazy", mount)
        await asyncio.to_thread(rmtree, self._directory, ignore_errors=True)
        with suppress(EngineFailed):
            await _run("ip", "netns", "delete", self._namespace)
        await asyncio.to_thread(self._remove_groups)

    def _remove_groups(self) -> None:
        for group in CGROUPS.glob(f"*/{self._namespace}"):
            with suppress(OSError):
                group.rmdir()

    async def _remove_containers(self) -> None:
        with suppress(EngineFailed):
            listed = (await self.docker("ps", "--all", "--quiet")).split()
            if listed:
                await self.docker("rm", "--force", "--volumes", *listed)

    async def _end_leftovers(self) -> None:
        """What a killed daemon left: containerd and the shims name our directory."""
        deadline = asyncio.get_running_loop().time() + END_SECONDS
        while ours := _processes_naming(str(self._directory / "exec")):
            if asyncio.get_running_loop().time() > deadline:
                raise EngineFailed(f"These processes do not end: {ours}")
            for process in ours:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _inside(self, *command: str) -> str:
        return await _run("nsenter", f"--net=/run/netns/{self._namespace}", *command)

    def _command(self) -> Sequence[str | Path]:
        return (
            # Not `ip netns exec`, which hides the cgroups.
            "nsenter", f"--net=/run/netns/{self._namespace}", "dockerd", "--host", self.host,
            "--data-root", self._directory / "data", "--exec-root", self._directory / "exec",
            "--pidfile", self._directory / "docker.pid", "--cgroup-parent", f"/{self._namespace}",
        )  # fmt: skip

    def _remove_stale_pid_files(self) -> None:
        """A killed daemon takes its containerd along, which may stay as a zombie: it has a pid,
        but no arguments, and the next daemon would wait for it in vain."""
        (self._directory / "docker.pid").unlink(missing_ok=True)
        containerd = self._directory / "exec" / "containerd" / "containerd.pid"
        with suppress(OSError, ValueError):
            if not _arguments(int(containerd.read_text())):
                containerd.unlink()


@asynccontextmanager
async def private_engine(images: Sequence[str]) -> AsyncGenerator[PrivateEngine]:
    """images: copied from the machine's engine."""
    engine = PrivateEngine(Path(tempfile.mkdtemp(prefix="faults-")))
    try:
        await engine.create()
        await engine.start()
        for image in images:
            await engine.copy_image(image)
        yield engine
    finally:
        await engine.remove()


async def newest_image(repository: str) -> str:
    """Of the machine's engine."""
    found = await _run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", repository)
    if not found:
        raise EngineFailed(f"There is no image {repository} here. Make one: ops/up")
    return found.splitlines()[0]


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, complaint = await process.communicate()
    if process.returncode:
        raise EngineFailed(f"{' '.join(command)}: {complaint.decode(errors='replace').strip()}")
    return output.decode().strip()


def _processes_naming(text: str) -> list[int]:
    found = list[int]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and text.encode() in _arguments(int(entry.name)):
            found.append(int(entry.name))
    return found


def _arguments(process: int) -> bytes:
    """Nothing where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def _mounts_below(directory: Path) -> list[str]:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted(mount for mount in mounts if Path(mount).is_relative_to(directory))
