"""Lets calls through to the one engine that the installation is bound to, and to no other.

The engine is asked who it is before the first call, soon after the last time, and whenever a call
went wrong: it may have been put aside for another one. What answers is recorded when it changes.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from prometheus_client import CollectorRegistry, Gauge

from api.workers.observations import Reporter
from domain.application.aggregates import BINDING
from domain.application.command_handler import CommandHandler
from domain.engines.binding import ENGINE, Binding, decide
from domain.engines.commands import MeetEngine
from domain.errors import EngineError, EngineOutcomeUnknown, EngineUnavailable, ForeignEngine
from domain.event import DEFAULT_TENANT
from domain.ports import ContainerEngine, EngineIdentity

CERTAIN_SECONDS = 2.0
ASK_SECONDS = 10.0

log = structlog.get_logger(__name__)


class EngineBinding:
    def __init__(
        self,
        *,
        engine: ContainerEngine,
        handler: CommandHandler,
        reporter: Reporter,
        registry: CollectorRegistry,
    ) -> None:
        self._engine = engine
        self._handler = handler
        self._reporter = reporter
        self._is_foreign = Gauge(
            "eulermaker_engine_is_foreign", "Whether another engine than the bound one answers.",
            registry=registry,
        )  # fmt: skip
        self._foreign: ForeignEngine | None = None
        self._certain_until = 0.0
        self._heard_at = 0.0
        self._failed_at = 0.0
        self._asking = asyncio.Lock()

    async def verify(self) -> EngineIdentity:
        """The engine as it answers now. The first one is bound.

        Raises ForeignEngine, EngineUnavailable, StoreUnavailable.
        """
        self._doubt()
        asked_at = asyncio.get_running_loop().time()
        identity = await self._identity()
        binding = await self._meet(identity)
        foreign = None
        if binding.foreign is not None:
            foreign = ForeignEngine(str(binding.bound), str(binding.foreign))
        self._foreign = foreign
        self._is_foreign.set(foreign is not None)
        if foreign is not None:
            raise foreign
        self._certain_until = asked_at + CERTAIN_SECONDS
        self._heard_at = asyncio.get_running_loop().time()
        return identity

    async def settle(self) -> None:
        """Before work begins. An engine that is away is none to wait for: each call asks it."""
        try:
            await self.verify()
        except EngineUnavailable:
            self.refuse_foreign()

    def refuse_foreign(self) -> None:
        """Raises ForeignEngine if that is what answered last."""
        if self._foreign is not None:
            raise ForeignEngine(self._foreign.bound, self._foreign.found)

    @asynccontextmanager
    async def call(self) -> AsyncGenerator[None]:
        """One call to the engine. Raises what `verify` does; then it was not made."""
        await self._be_certain()
        try:
            yield
        except (EngineUnavailable, EngineOutcomeUnknown):
            self._doubt()
            raise

    async def _be_certain(self) -> None:
        """Of many calls at once one asks, and all take its answer, or that there was none.

        One that came while it was asked is as sure as the one that asked, however late it answers.
        """
        loop = asyncio.get_running_loop()
        came_at = loop.time()
        if came_at < self._certain_until:
            return
        async with self._asking:
            if self._heard_at > came_at or loop.time() < self._certain_until:
                return
            if self._failed_at > came_at:
                self.refuse_foreign()
                raise EngineUnavailable("The engine did not say who it is")
            await self.verify()

    def _doubt(self) -> None:
        self._certain_until = self._heard_at = 0.0

    async def _identity(self) -> EngineIdentity:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await self._engine.identity()
        except (EngineError, TimeoutError) as error:
            self._failed_at = asyncio.get_running_loop().time()
            reason = str(error) or f"no answer within {ASK_SECONDS:.0f} s"
            raise EngineUnavailable(f"The engine does not say who it is: {reason}") from error

    async def _meet(self, identity: EngineIdentity) -> Binding:
        loaded = await self._handler.load(BINDING, DEFAULT_TENANT, ENGINE)
        meet = MeetEngine(engine_id=identity.engine_id, name=identity.name)
        if decide(meet, loaded.state):
            await self._reporter.report(DEFAULT_TENANT, meet, seen_at_version=loaded.version)
            loaded = await self._handler.load(BINDING, DEFAULT_TENANT, ENGINE)
            self._tell(loaded.state)
        binding: Binding = loaded.state
        return binding

    def _tell(self, binding: Binding) -> None:
        if binding.foreign is None:
            log.info("the bound engine answers", bound=str(binding.bound))
        else:
            bound, found = str(binding.bound), str(binding.foreign)
            log.error("a foreign engine answers: nothing is done", bound=bound, found=found)
