"""Named places at which a test can have the process killed, as a power cut would."""

import os
import signal
from enum import StrEnum

from prometheus_client import CollectorRegistry

from api.metrics import MeasuredCommandHandler
from domain.event import Command, CommandContext, Receipt
from domain.ports import EventStore


class CrashPoint(StrEnum):
    """In the order in which a command passes them. answer-due: recorded, and nobody told yet."""

    ANSWER_DUE = "answer-due"
    EVENT_APPENDED = "event-appended"
    EFFECT_WRITTEN = "effect-written"
    EFFECT_CLAIMED = "effect-claimed"
    ENGINE_CALLED = "engine-called"
    OUTCOME_APPENDED = "outcome-appended"


class CrashPoints:
    """`setting` is `<point>` or `<point>:<n>`: die at the n-th passage. Empty: never."""

    def __init__(self, setting: str = "") -> None:
        point, _, count = setting.partition(":")
        self._point = CrashPoint(point) if point else None
        self._left = int(count or 1)

    def pass_by(self, point: CrashPoint) -> None:
        if point is not self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class CrashingHandler(MeasuredCommandHandler):
    """Passes `answer-due` between a command's record and its answer."""

    def __init__(self, store: EventStore, registry: CollectorRegistry, crash: CrashPoints) -> None:
        super().__init__(store, registry)
        self._crash = crash

    async def handle(
        self, command: Command, context: CommandContext, *, expected_version: int | None = None
    ) -> Receipt:
        receipt = await super().handle(command, context, expected_version=expected_version)
        self._crash.pass_by(CrashPoint.ANSWER_DUE)
        return receipt
