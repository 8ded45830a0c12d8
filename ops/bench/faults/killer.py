"""Kills the roles of a service at planned places, and starts them again at once."""

import asyncio
import random
import sys
from collections import Counter
from contextlib import suppress

from api.workers.crash_points import CrashPoint
from tests.support.role_processes import RoleProcess
from tests.support.service import ROLES, HandRun

RANDOM, GROUP = "random", "group"
REACH_SECONDS = 60.0
MOST_PASSAGES = 4
SHORTEST_LIFE, LONGEST_LIFE = 0.5, 3.0
KILLED = -9
STATUS_LOST = 255
"""What the fork server says where it does not know how a process ended; ours never end so."""
WORK_POINTS = tuple(point for point in CrashPoint if point is not CrashPoint.ANSWER_DUE)


class Plan:
    """Which kills are still to be done, by role; those of the whole group apart."""

    def __init__(self, count: int, seed: int) -> None:
        """Evenly over the named points, and a third at random moments."""
        self.random = random.Random(seed)  # noqa: S311 - a reproducible plan
        rounds = [
            *[("work", str(point)) for point in WORK_POINTS],
            ("serve", str(CrashPoint.ANSWER_DUE)),
            ("serve", RANDOM),
            ("project", RANDOM),
            ("work", RANDOM),
        ]
        self.groups = max(1, count // 25)
        self._left: dict[str, list[str]] = {role: [] for role in ROLES}
        for number in range(count - self.groups):
            role, place = rounds[number % len(rounds)]
            self._left[role].append(place)
        for places in self._left.values():
            self.random.shuffle(places)

    def next(self, role: str) -> str | None:
        return self._left[role].pop() if self._left[role] else None

    def again(self, role: str, place: str) -> None:
        self._left[role].insert(0, place)

    @property
    def left(self) -> int:
        return sum(map(len, self._left.values()))


class Killer:
    """done: kills by role and place. by_themselves: roles that ended without being killed.

    statuses_lost: of how many nobody knows how they ended; their kills do not count.
    """

    def __init__(self, service: HandRun, plan: Plan) -> None:
        self._service = service
        self._plan = plan
        self._living: dict[str, RoleProcess] = {}
        self._servers_up = asyncio.Event()
        self._servers_up.set()
        self._group_kills = 0
        self._finished = {role: asyncio.Event() for role in ROLES}
        self._over = asyncio.Event()
        self.done: Counter[str] = Counter()
        self.by_themselves: list[str] = []
        self.statuses_lost = 0

    async def run(self) -> None:
        """Until the plan is carried out. Every role runs afterwards."""
        async with asyncio.TaskGroup() as group:
            for role in ROLES:
                group.create_task(self._kill_role(role))
            await self._kill_groups()
            for finished in self._finished.values():
                await finished.wait()
            self._over.set()

    async def _kill_role(self, role: str) -> None:
        while (place := self._plan.next(role)) is not None:
            await self._servers_up.wait()
            groups = self._group_kills
            if not await self._live_and_die(role, place):
                self._plan.again(role, place)
            elif groups == self._group_kills:
                self.done[f"{role} {place}"] += 1
                self._tell(f"{role} {place}")
            else:
                self._plan.again(role, place)  # it went with its group
        self._finished[role].set()
        await self._keep(role)

    async def _keep(self, role: str) -> None:
        """Running, also when its group is killed, until the others' plans are carried out too."""
        over = asyncio.ensure_future(self._over.wait())
        while not over.done():
            await self._servers_up.wait()
            self._living[role] = await self._service.start_role(role)
            ended = asyncio.ensure_future(self._living[role].wait())
            await asyncio.wait((over, ended), return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()

    async def _live_and_die(self, role: str, place: str) -> bool:
        """Whether it was killed where it should be."""
        at_random = place == RANDOM
        crash_at = "" if at_random else f"{place}:{self._plan.random.randint(1, MOST_PASSAGES)}"
        process = await self._service.start_role(role, crash_at=crash_at)
        self._living[role] = process
        life = self._plan.random.uniform(SHORTEST_LIFE, LONGEST_LIFE)
        try:
            async with asyncio.timeout(life if at_random else REACH_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            return at_random
        if process.returncode == STATUS_LOST:
            self.statuses_lost += 1
        elif process.returncode != KILLED:
            self.by_themselves.append(f"{role} ended with {process.returncode}")
            await asyncio.sleep(1)
        return process.returncode == KILLED

    async def _kill_groups(self) -> None:
        every = self._plan.left / (self._plan.groups + 1)
        for number in range(self._plan.groups):
            while self._plan.left > self._plan_left_at(number, every):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            await self._kill_group()
            self.done[GROUP] += 1
            self._tell(GROUP)

    def _tell(self, what: str) -> None:
        print(f"{self.done.total():4} {what}", file=sys.stderr, flush=True)

    def _plan_left_at(self, number: int, every: float) -> float:
        return every * (self._plan.groups - number)

    async def _kill_group(self) -> None:
        """Roles and servers at one blow, as when the machine loses its power."""
        self._servers_up.clear()
        self._group_kills += 1
        self._service.kill_servers()
        for process in self._living.values():
            with suppress(ProcessLookupError):
                process.kill()
        await self._service.start_servers()
        self._servers_up.set()
