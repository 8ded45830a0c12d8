"""Load, fold, decide, append; again when somebody was faster. The only way to change anything."""

import hashlib
from collections import OrderedDict
from typing import Any

import msgspec

from domain.access.events import CommandRefused
from domain.application.aggregates import Aggregate, aggregate_of
from domain.errors import ConcurrencyConflict, Refusal
from domain.event import REFUSED, Append, Command, CommandContext, Event, OpaqueEvent, Receipt
from domain.ports import EventStore

MAX_TRIES = 8
CACHED_STREAMS = 10_000
NEVER = 2**31 - 1
PAGE = 1_000
SYSTEM_PREFIX = "system:"

_ENCODER = msgspec.json.Encoder()


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """An aggregate's state and the version it was folded up to (0: nothing recorded)."""

    version: int = 0
    state: Any = None


class _PerhapsOutOfDate(Exception):
    """Decided on what was remembered, and not by events: it must be read before it counts."""


class CommandHandler:
    """Safe for concurrent use; holds nothing that cannot be read again.

    A command is first decided on what is remembered of its aggregate: where that was out of date,
    the store says so, and it is read.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._cache: OrderedDict[tuple[str, str], Loaded] = OrderedDict()

    async def handle(
        self, command: Command, context: CommandContext, *, expected_version: int | None = None
    ) -> Receipt:
        """Durable when it returns; delivered twice, it answers twice the same.

        expected_version: fail with ConcurrencyConflict unless the aggregate is at it.
        Raises Refusal (recorded as an event first), UnknownStream, ConcurrencyConflict,
        CommandIdReused, StoreUnavailable, StoreOverloaded.
        """
        fingerprint = hashlib.sha256(_ENCODER.encode(command)).digest()
        remembered = self._remembered(command, context.tenant)
        if remembered is not None:
            try:
                return await self._try(command, context, fingerprint, expected_version, remembered)
            except (_PerhapsOutOfDate, ConcurrencyConflict):
                self._forget(command, context.tenant)
        for _ in range(MAX_TRIES - 1):
            try:
                return await self._try(command, context, fingerprint, expected_version)
            except ConcurrencyConflict:
                self._forget(command, context.tenant)
                if expected_version is not None:
                    raise
        return await self._try(command, context, fingerprint, expected_version)

    async def load(self, aggregate: Aggregate, tenant: str, identifier: str) -> Loaded:
        """The state of an aggregate now; events that this program cannot read are passed over."""
        stream = aggregate.stream(identifier)
        loaded = self._cache.get((tenant, stream), Loaded())
        page = None
        while page is None or len(page) == PAGE:
            page = await self._store.read_stream(
                tenant, stream, after_version=loaded.version, limit=PAGE
            )
            for recorded in page:
                loaded = _fold(aggregate, loaded, recorded.event)
        if loaded.version:
            self._remember(tenant, stream, loaded)
        return loaded

    async def find_receipt(self, tenant: str, command_id: str) -> Receipt | None:
        """What became of a command that was delivered before."""
        return await self._store.find_receipt(tenant, command_id)

    async def _try(
        self,
        command: Command,
        context: CommandContext,
        fingerprint: bytes,
        expected_version: int | None,
        remembered: Loaded | None = None,
    ) -> Receipt:
        aggregate = aggregate_of(command)
        identifier = aggregate.key(command)
        loaded = remembered or await self.load(aggregate, context.tenant, identifier)
        stream = aggregate.stream(identifier)
        if expected_version is not None and expected_version != loaded.version:
            if remembered is not None:
                raise _PerhapsOutOfDate
            return await self._stale(context, stream, fingerprint, expected_version, loaded.version)
        try:
            events = aggregate.decide(command, loaded.state)
        except Refusal as refusal:
            if remembered is not None:
                raise _PerhapsOutOfDate from refusal
            return await self._refuse(command, context, fingerprint, stream, refusal)
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
                fingerprint=fingerprint,
            )
        )
        if receipt.status == REFUSED:
            raise await self._recorded_refusal(context.tenant, receipt)
        if not receipt.replayed:
            for event in events:
                loaded = _fold(aggregate, loaded, event)
            self._remember(context.tenant, stream, loaded)
        return receipt

    async def _stale(
        self,
        context: CommandContext,
        stream: str,
        fingerprint: bytes,
        expected_version: int,
        version: int,
    ) -> Receipt:
        """The store tells a retry of a command that succeeded from a true conflict.

        It is asked for a version that no stream reaches: an append of nothing must not succeed
        because the stream has grown meanwhile.
        """
        try:
            receipt = await self._store.append(
                Append(
                    context=context,
                    stream=stream,
                    expected_version=NEVER,
                    events=(),
                    fingerprint=fingerprint,
                )
            )
        except ConcurrencyConflict as conflict:
            raise ConcurrencyConflict(stream, expected_version, version) from conflict
        if receipt.status == REFUSED:
            raise await self._recorded_refusal(context.tenant, receipt)
        return receipt

    async def _refuse(
        self,
        command: Command,
        context: CommandContext,
        fingerprint: bytes,
        stream: str,
        refusal: Refusal,
    ) -> Receipt:
        """Record the refusal under the command's own id, then raise it.

        A command that was accepted before is no longer refused: its receipt answers.
        """
        attempt_id = context.command_id
        refused = CommandRefused(
            attempt_id=attempt_id,
            command=type(command).__name__,
            target=stream,
            rule=refusal.rule,
            state=refusal.state,
            reason=refusal.advice,
        )
        receipt = await self._store.append(
            Append(
                context=context,
                stream=f"attempt-{attempt_id}",
                expected_version=0,
                events=(refused,),
                fingerprint=fingerprint,
                status=REFUSED,
            )
        )
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
        self._cache.pop(_cache_key(tenant, aggregate_of(command), command), None)

    def _remember(self, tenant: str, stream: str, loaded: Loaded) -> None:
        known = self._cache.get((tenant, stream))
        if known is None or known.version < loaded.version:
            self._cache[tenant, stream] = loaded
        self._cache.move_to_end((tenant, stream))
        if len(self._cache) > CACHED_STREAMS:
            self._cache.popitem(last=False)


def _cache_key(tenant: str, aggregate: Aggregate, command: Command) -> tuple[str, str]:
    return tenant, aggregate.stream(aggregate.key(command))


def _fold(aggregate: Aggregate, loaded: Loaded, event: Event) -> Loaded:
    state = loaded.state
    if not isinstance(event, OpaqueEvent):
        state = aggregate.evolve(state, event)
    return Loaded(version=loaded.version + 1, state=state)


def _nothing_new(context: CommandContext, stream: str, version: int) -> Receipt:
    return Receipt(
        command_id=context.command_id,
        status="accepted",
        stream=stream,
        version=version,
        first_position=0,
        last_position=0,
    )
