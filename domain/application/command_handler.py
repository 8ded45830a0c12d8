"""Load, fold, decide, append; again when somebody was faster. The only way to change anything."""

import hashlib
from typing import Any

import msgspec

from domain.access.events import CommandRefused
from domain.application.aggregates import Aggregate, aggregate_of
from domain.application.recent import Recent
from domain.errors import ConcurrencyConflict, Refusal, StoreUnavailable
from domain.event import REFUSED, Append, Command, CommandContext, Event, OpaqueEvent, Receipt
from domain.ports import EventStore

MAX_TRIES = 8
REMEMBERED = 10_000
REMEMBERED_BYTES = 64 * 1024 * 1024
NEVER = 2**31 - 1
PAGE = 1_000
SYSTEM_PREFIX = "system:"

_ENCODER = msgspec.json.Encoder()


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """An aggregate's state and the version it was folded up to (0: nothing recorded).

    size: of the events it was folded from, in bytes, roughly.
    """

    version: int = 0
    state: Any = None
    size: int = 0


class _Delivery(msgspec.Struct, frozen=True):
    """One command as it came. size: in bytes, roughly that of what it will record."""

    command: Command
    context: CommandContext
    expected_version: int | None
    fingerprint: bytes
    size: int


class _PerhapsOutOfDate(Exception):
    """Decided on what was remembered, and not by events: it must be read before it counts."""


class CommandHandler:
    """Safe for concurrent use; holds nothing that cannot be read again.

    A command is first decided on what is remembered of its aggregate: where that was out of date,
    the store says so, and it is read.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._cache: Recent[tuple[str, str], Loaded] = Recent(
            most=REMEMBERED, most_weight=REMEMBERED_BYTES
        )

    async def handle(
        self, command: Command, context: CommandContext, *, expected_version: int | None = None
    ) -> Receipt:
        """Durable when it returns; delivered twice, it answers twice the same.

        expected_version: fail with ConcurrencyConflict unless the aggregate is at it.
        Raises Refusal (recorded as an event first), UnknownStream, ConcurrencyConflict,
        CommandIdReused, StoreUnavailable, StoreOverloaded.
        """
        delivery = _delivery(command, context, expected_version)
        remembered = self._remembered(command, context.tenant)
        if remembered is not None:
            try:
                return await self._try(delivery, remembered)
            except (_PerhapsOutOfDate, ConcurrencyConflict):
                self._forget(command, context.tenant)
            except StoreUnavailable:  # and it may have been recorded all the same
                self._forget(command, context.tenant)
                raise
        for _ in range(MAX_TRIES - 1):
            try:
                return await self._try(delivery)
            except ConcurrencyConflict:
                self._forget(command, context.tenant)
                if expected_version is not None:
                    raise
        return await self._try(delivery)

    async def refuse(self, command: Command, context: CommandContext, refusal: Refusal) -> Receipt:
        """For a rule about more than one aggregate, which whoever knows them all has applied.

        Records the refusal and raises it; a command that was accepted before keeps its receipt.
        """
        aggregate = aggregate_of(command)
        stream = aggregate.stream(aggregate.key(command))
        return await self._refuse(_delivery(command, context), stream, refusal)

    async def load(
        self, aggregate: Aggregate, tenant: str, identifier: str, *, version: int = NEVER
    ) -> Loaded:
        """The state of an aggregate now, or as it was at that version.

        Events that this program cannot read are passed over.
        """
        stream = aggregate.stream(identifier)
        loaded = self._cache.get((tenant, stream))
        if loaded is None or loaded.version > version:
            loaded = Loaded()
        page = None
        while page is None or len(page) == PAGE:
            limit = min(PAGE, version - loaded.version)
            page = await self._store.read_stream(
                tenant, stream, after_version=loaded.version, limit=limit
            )
            for recorded in page:
                loaded = _fold(aggregate, loaded, recorded.event, len(recorded.data))
        if loaded.version:
            self._remember(tenant, stream, loaded)
        return loaded

    async def find_receipt(self, tenant: str, command_id: str) -> Receipt | None:
        """What became of a command that was delivered before."""
        return await self._store.find_receipt(tenant, command_id)

    async def _try(self, delivery: _Delivery, remembered: Loaded | None = None) -> Receipt:
        command, context = delivery.command, delivery.context
        aggregate = aggregate_of(command)
        identifier = aggregate.key(command)
        loaded = remembered or await self.load(aggregate, context.tenant, identifier)
        stream = aggregate.stream(identifier)
        if delivery.expected_version not in {None, loaded.version}:
            if remembered is not None:
                raise _PerhapsOutOfDate
            return await self._stale(delivery, stream, loaded.version)
        try:
            events = aggregate.decide(command, loaded.state)
        except Refusal as refusal:
            if remembered is not None:
                raise _PerhapsOutOfDate from refusal
            return await self._refuse(delivery, stream, refusal)
        if not events and remembered is not None:
            raise _PerhapsOutOfDate
        if not events and context.actor.startswith(SYSTEM_PREFIX):
            return _nothing_new(context, stream, loaded.version)
        receipt = await self._store.append(
            Append(
                context=context,
                stream=stream,
                expected_version=loaded.version,
                events=events,
                fingerprint=delivery.fingerprint,
            )
        )
        if receipt.status == REFUSED:
            raise await self._recorded_refusal(context.tenant, receipt)
        if not receipt.replayed:
            for event in events:
                loaded = _fold(aggregate, loaded, event, delivery.size)
            self._remember(context.tenant, stream, loaded)
        return receipt

    async def _stale(self, delivery: _Delivery, stream: str, version: int) -> Receipt:
        """The store tells a retry of a command that succeeded from a true conflict.

        It is asked for a version that no stream reaches: an append of nothing must not succeed
        because the stream has grown meanwhile.
        """
        try:
            receipt = await self._store.append(
                Append(
                    context=delivery.context,
                    stream=stream,
                    expected_version=NEVER,
                    events=(),
                    fingerprint=delivery.fingerprint,
                )
            )
        except ConcurrencyConflict as conflict:
            expected = delivery.expected_version or 0
            raise ConcurrencyConflict(stream, expected, version) from conflict
        if receipt.status == REFUSED:
            raise await self._recorded_refusal(delivery.context.tenant, receipt)
        return receipt

    async def _refuse(self, delivery: _Delivery, stream: str, refusal: Refusal) -> Receipt:
        """Record the refusal under the command's own id, then raise it.

        A command that was accepted before is no longer refused: its receipt answers.
        """
        attempt_id = delivery.context.command_id
        refused = CommandRefused(
            attempt_id=attempt_id,
            command=type(delivery.command).__name__,
            target=stream,
            rule=refusal.rule,
            state=refusal.state,
            reason=refusal.advice,
        )
        receipt = await self._store.append(
            Append(
                context=delivery.context,
                stream=f"attempt-{attempt_id}",
                expected_version=0,
                events=(refused,),
                fingerprint=delivery.fingerprint,
                status=REFUSED,
            )
        )
        if receipt.status == REFUSED and receipt.replayed:
            raise await self._recorded_refusal(delivery.context.tenant, receipt)
        if receipt.status == REFUSED:
            raise refusal
        return receipt

    async def _recorded_refusal(self, tenant: str, receipt: Receipt) -> Refusal:
        recorded = await self._store.read_stream(tenant, receipt.stream, limit=1)
        event = recorded[0].event
        if not isinstance(event, CommandRefused):
            raise TypeError(f"{receipt.stream} should hold a refusal")
        return Refusal(rule=event.rule, state=event.state, advice=event.reason)

    def _remembered(self, command: Command, tenant: str) -> Loaded | None:
        """What may still be true; a command that creates its aggregate finds nothing there."""
        aggregate = aggregate_of(command)
        if isinstance(command, aggregate.creating):
            return Loaded()
        return self._cache.get(_cache_key(tenant, aggregate, command))

    def _forget(self, command: Command, tenant: str) -> None:
        self._cache.forget(_cache_key(tenant, aggregate_of(command), command))

    def _remember(self, tenant: str, stream: str, loaded: Loaded) -> None:
        known = self._cache.get((tenant, stream))
        newest = loaded if known is None or known.version < loaded.version else known
        self._cache.put((tenant, stream), newest, weight=newest.size)


def _delivery(
    command: Command, context: CommandContext, expected_version: int | None = None
) -> _Delivery:
    encoded = _ENCODER.encode(command)
    fingerprint = hashlib.sha256(encoded).digest()
    return _Delivery(command, context, expected_version, fingerprint, len(encoded))


def _cache_key(tenant: str, aggregate: Aggregate, command: Command) -> tuple[str, str]:
    return tenant, aggregate.stream(aggregate.key(command))


def _fold(aggregate: Aggregate, loaded: Loaded, event: Event, size: int) -> Loaded:
    state = loaded.state
    if not isinstance(event, OpaqueEvent):
        state = aggregate.evolve(state, event)
    return Loaded(version=loaded.version + 1, state=state, size=loaded.size + size)


def _nothing_new(context: CommandContext, stream: str, version: int) -> Receipt:
    return Receipt(
        command_id=context.command_id,
        status="accepted",
        stream=stream,
        version=version,
        first_position=0,
        last_position=0,
    )
