"""Carries out the effects of containers: the calls to the engine, and what to report of them."""

from contextlib import suppress
from datetime import datetime

from domain.application.aggregates import CONTAINERS
from domain.application.command_handler import CommandHandler
from domain.containers import commands as c
from domain.containers.spec import ContainerSpec
from domain.containers.state import Container
from domain.errors import (
    ContainerNotFound,
    EngineConflict,
    EngineRefused,
    NetworkNotFound,
    SecretMissing,
    SecretUnreadable,
)
from domain.ports import (
    ClaimedEffect,
    Clock,
    ContainerEngine,
    EngineContainer,
    EngineContainerSpec,
    SecretVault,
)
from domain.processes import effects as f
from domain.processes import naming

Starting = f.StartEngineContainer | f.RestartEngineContainer
ENDED = frozenset({"exited", "dead"})
INTERRUPTED = "A later command interrupted it before its answer came."


class ContainerPerformer:
    """Safe to run twice for one effect: on a later attempt it looks before it acts."""

    def __init__(
        self,
        *,
        engine: ContainerEngine,
        handler: CommandHandler,
        secrets: SecretVault,
        clock: Clock,
        installation: str,
    ) -> None:
        self._engine = engine
        self._handler = handler
        self._secrets = secrets
        self._clock = clock
        self._installation = installation

    async def perform(
        self, claimed: ClaimedEffect, effect: f.ContainerEffects
    ) -> c.ContainerOutcome:
        """The outcome to record. Raises EngineUnavailable or EngineOutcomeUnknown: try again."""
        cid, intent = effect.container_id, effect.intent
        try:
            if claimed.superseded:
                return await self._superseded(claimed, effect)
            return await self._call(claimed, effect)
        except EngineRefused as error:
            return c.RecordContainerOperationFailed(
                container_id=cid, intent=intent, reason=str(error)
            )
        except (SecretMissing, SecretUnreadable) as error:
            return await self._without_secret(claimed, effect, str(error))

    async def _without_secret(
        self, claimed: ClaimedEffect, effect: f.ContainerEffects, reason: str
    ) -> c.ContainerOutcome:
        """The engine was not asked, this time; but an earlier attempt may have got further."""
        earlier = await self._what_came_of(claimed, effect) if claimed.attempt > 1 else None
        return earlier or c.RecordContainerOperationFailed(
            container_id=effect.container_id,
            intent=effect.intent,
            reason=f"{reason} Or request another container with the values of its secrets.",
        )

    async def erase_secrets(
        self, claimed: ClaimedEffect, effect: f.EraseSecrets
    ) -> c.RecordContainerSecretsErased:
        """Erased first: the log never says so before it is true."""
        await self._secrets.erase(claimed.tenant, effect.references)
        return c.RecordContainerSecretsErased(
            container_id=effect.container_id, references=effect.references
        )

    async def _superseded(
        self, claimed: ClaimedEffect, effect: f.ContainerEffects
    ) -> c.ContainerOutcome:
        """Not to be done; but where it was begun already, say what came of it.

        A call that was sent may take effect later than anybody looks: what cannot be seen of it is
        not known, and only what was never begun is superseded.
        """
        cid, intent = effect.container_id, effect.intent
        if claimed.attempt == 1:
            return c.RecordContainerOperationSuperseded(container_id=cid, intent=intent)
        outcome = await self._what_came_of(claimed, effect)
        return outcome or c.RecordContainerOperationFailed(
            container_id=cid, intent=intent, reason=INTERRUPTED, unknown=True
        )

    async def _what_came_of(
        self, claimed: ClaimedEffect, effect: f.ContainerEffects
    ) -> c.ContainerOutcome | None:
        """Of a call that may have been made. None: by all that can be seen, nothing."""
        cid, intent = effect.container_id, effect.intent
        name = naming.container_name(cid, effect.generation)
        if isinstance(effect, Starting):
            at = await self._started_since(claimed, effect, name)
            return None if at is None else _started(effect, at)
        found = await self._engine.inspect(name)
        status = "" if found is None else found.status
        match effect:
            case f.CreateEngineContainer() if found is not None:
                return _created(effect, found)
            case f.StopEngineContainer() if found is not None and status in ENDED:
                return _stopped(effect, found)
            case f.PauseEngineContainer() if status == "paused":
                return c.RecordContainerPaused(container_id=cid, intent=intent)
            case f.UnpauseEngineContainer() if status == "running":
                return c.RecordContainerUnpaused(container_id=cid, intent=intent)
            case f.KillEngineContainer(signal="KILL") if status in ENDED:
                return c.RecordContainerKilled(container_id=cid, intent=intent, signal="KILL")
            case f.KillEngineContainer():
                return _perhaps_sent(effect)
            case _:
                return None

    async def _call(self, claimed: ClaimedEffect, effect: f.ContainerEffects) -> c.ContainerOutcome:
        cid, intent = effect.container_id, effect.intent
        name = naming.container_name(cid, effect.generation)
        match effect:
            case f.CreateEngineContainer(spec=spec):
                return await self._create(claimed, effect, name, spec)
            case f.StartEngineContainer() | f.RestartEngineContainer():
                return _started(effect, await self._start(claimed, effect, name))
            case f.StopEngineContainer(grace_seconds=grace):
                return _stopped(effect, await self._engine.stop(name, grace_seconds=grace))
            case f.PauseEngineContainer():
                await self._engine.pause(name)
                return c.RecordContainerPaused(container_id=cid, intent=intent)
            case f.UnpauseEngineContainer():
                await self._engine.unpause(name)
                return c.RecordContainerUnpaused(container_id=cid, intent=intent)
            case f.KillEngineContainer(signal=signal):
                if claimed.attempt > 1 and signal != "KILL":  # which alone can be repeated
                    return _perhaps_sent(effect)
                await self._engine.kill(name, signal=signal)
                return c.RecordContainerKilled(container_id=cid, intent=intent, signal=signal)
            case f.UpdateEngineContainer(limits=limits):
                await self._engine.update(name, limits)
                return c.RecordContainerLimitsChanged(
                    container_id=cid, intent=intent, limits=limits
                )
            case f.RemoveEngineContainer(force=force):
                await self._engine.remove(name, force=force)
                with suppress(EngineConflict):  # the reconciler tries again when nobody uses it
                    await self._engine.remove_network(naming.network_name(cid))
                return c.RecordContainerRemoved(container_id=cid, intent=intent)

    async def _create(
        self,
        claimed: ClaimedEffect,
        effect: f.CreateEngineContainer,
        name: str,
        spec: ContainerSpec,
    ) -> c.RecordContainerCreated:
        """What may be missing comes first, so that nothing is left behind for want of it."""
        secrets = {
            v.name: await self._secrets.get(claimed.tenant, v.reference) for v in spec.secrets
        }
        if await self._engine.find_image(spec.image) is None:
            await self._engine.pull(spec.image)
        labels = self._labels(claimed, effect)
        network = "none"
        if spec.network == "isolated":
            network = naming.network_name(effect.container_id)
            await self._engine.ensure_network(network, labels=labels)
        wanted = _engine_spec(name, spec, secrets, labels, network)
        return _created(effect, await self._engine.create(wanted))

    def _labels(self, claimed: ClaimedEffect, effect: f.CreateEngineContainer) -> dict[str, str]:
        return {
            naming.INSTALLATION: self._installation,
            naming.TENANT: claimed.tenant,
            naming.AGGREGATE: claimed.stream,
            naming.GENERATION: str(effect.generation),
            naming.CORRELATION: claimed.correlation_id,
            naming.EFFECT: claimed.effect_id,
            naming.SPEC: naming.fingerprint(effect.spec),
        }

    async def _start(self, claimed: ClaimedEffect, effect: Starting, name: str) -> datetime:
        """A restart is two calls, so that a later stop or kill can come between them."""
        if claimed.attempt > 1:
            at = await self._started_since(claimed, effect, name)
            if at is not None:
                return at
        if isinstance(effect, f.RestartEngineContainer):
            await self._engine.stop(name, grace_seconds=effect.grace_seconds)
        started = await self._start_in_its_network(effect.container_id, name)
        return started.started_at or self._clock.now()

    async def _started_since(
        self, claimed: ClaimedEffect, effect: Starting, name: str
    ) -> datetime | None:
        """By the engine's own times: has it been started since it was asked for?

        What was known then counts: an end that was recorded later may be that of our own run.
        """
        found = await self._engine.inspect(name)
        at = None if found is None else found.started_at
        asked = await self._handler.load(
            CONTAINERS, claimed.tenant, effect.container_id, version=effect.intent
        )
        state = asked.state
        if at is None or (isinstance(state, Container) and state.knows_run(at)):
            return None
        return at

    async def _start_in_its_network(self, container_id: str, name: str) -> EngineContainer:
        """Somebody who prunes an engine's networks takes those of stopped containers as well."""
        try:
            return await self._engine.start(name)
        except NetworkNotFound:
            await self._make_network_again(container_id, name)
            return await self._engine.start(name)

    async def _make_network_again(self, container_id: str, name: str) -> None:
        found = await self._engine.inspect(name)
        if found is None:
            raise ContainerNotFound(name)
        network = naming.network_name(container_id)
        await self._engine.ensure_network(network, labels=naming.ours(found.labels))
        await self._engine.join_network(name, network)


def _engine_spec(
    name: str, spec: ContainerSpec, secrets: dict[str, str], labels: dict[str, str], network: str
) -> EngineContainerSpec:
    return EngineContainerSpec(
        name=name,
        image=spec.image,
        command=spec.command,
        entrypoint=spec.entrypoint,
        environment={**spec.environment, **secrets},
        user=spec.user,
        working_directory=spec.working_directory,
        labels={**spec.labels, **labels},
        limits=spec.limits,
        network=network,
        read_only_root=spec.read_only_root,
        tmpfs=spec.tmpfs,
        stop_grace_seconds=spec.stop_grace_seconds,
    )


def _started(effect: Starting, at: datetime) -> c.ContainerOutcome:
    cid, intent = effect.container_id, effect.intent
    if isinstance(effect, f.StartEngineContainer):
        return c.RecordContainerStarted(container_id=cid, intent=intent, started_at=at)
    return c.RecordContainerRestarted(container_id=cid, intent=intent, started_at=at)


def _stopped(effect: f.StopEngineContainer, container: EngineContainer) -> c.RecordContainerStopped:
    return c.RecordContainerStopped(
        container_id=effect.container_id,
        intent=effect.intent,
        exit_code=container.exit_code,
        finished_at=container.finished_at,
    )


def _perhaps_sent(effect: f.KillEngineContainer) -> c.RecordContainerOperationFailed:
    """A signal is sent at most once, and nothing tells afterwards whether it was."""
    return c.RecordContainerOperationFailed(
        container_id=effect.container_id,
        intent=effect.intent,
        reason=f"SIG{effect.signal} may have been sent",
        unknown=True,
    )


def _created(
    effect: f.CreateEngineContainer, container: EngineContainer
) -> c.RecordContainerCreated:
    return c.RecordContainerCreated(
        container_id=effect.container_id,
        intent=effect.intent,
        engine_id=container.engine_id,
        engine_name=container.name,
        image_id=container.image_id,
    )
