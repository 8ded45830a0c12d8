"""The EventStore port in memory: the same answers and the same hashes, gone with the process."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from adapters.postgres.envelope import Body, EncodedAppend, encode_append, topic_of
from adapters.postgres.hashing import GENESIS, chain_hash, micros
from domain.catalog import EVENT_TYPES
from domain.errors import CommandIdReused, ConcurrencyConflict
from domain.event import ANY_VERSION, Append, LogHead, Receipt, RecordedEvent
from domain.event_types import EventTypes

HASH_VERSION = 1


class InMemoryEventStore:
    """Appends never wait, so no two of them interleave."""

    def __init__(self, types: EventTypes = EVENT_TYPES) -> None:
        self._types = types
        self._events: list[RecordedEvent] = []
        self._streams: dict[tuple[str, str], list[RecordedEvent]] = {}
        self._receipts: dict[tuple[str, str], tuple[bytes, Receipt]] = {}

    async def start(self) -> None:
        """There is nothing to connect to."""

    async def stop(self) -> None:
        """There is nothing to let go."""

    async def append(self, append: Append) -> Receipt:
        bodies = [(topic_of(type(event)), self._types.encode(event)) for event in append.events]
        encoded = encode_append(append, bodies)
        key = (append.context.tenant, append.context.command_id)
        if key in self._receipts:
            return self._replay(append, *self._receipts[key])
        version = self._version_for(append)
        first = len(self._events) + 1
        self._record(encoded, bodies, version)
        receipt = Receipt(
            command_id=append.context.command_id,
            status=append.status,
            stream=append.stream,
            version=version + len(bodies),
            first_position=first if bodies else 0,
            last_position=len(self._events) if bodies else 0,
        )
        self._receipts[key] = (append.fingerprint, receipt)
        return receipt

    async def find_receipt(self, tenant: str, command_id: str) -> Receipt | None:
        found = self._receipts.get((tenant, command_id))
        return found and _replayed(found[1])

    async def read_stream(
        self, tenant: str, stream: str, *, after_version: int = 0, limit: int = 1_000
    ) -> Sequence[RecordedEvent]:
        return self._streams.get((tenant, stream), [])[after_version : after_version + limit]

    async def read_log(
        self, after: int, *, limit: int = 1_000, tenant: str | None = None
    ) -> Sequence[RecordedEvent]:
        if tenant is None:
            return self._events[after : after + limit]
        return [event for event in self._events[after:] if event.tenant == tenant][:limit]

    async def head(self) -> LogHead:
        return LogHead(position=len(self._events), chain=self._chain())

    def _replay(self, append: Append, fingerprint: bytes, receipt: Receipt) -> Receipt:
        if fingerprint != append.fingerprint:
            raise CommandIdReused(append.context.command_id)
        return _replayed(receipt)

    def _version_for(self, append: Append) -> int:
        version = len(self._streams.get((append.context.tenant, append.stream), ()))
        if append.expected_version not in (ANY_VERSION, version):
            raise ConcurrencyConflict(append.stream, append.expected_version, version)
        return version

    def _record(self, encoded: EncodedAppend, bodies: Sequence[Body], version: int) -> None:
        append, now = encoded.append, self._now()
        stream = self._streams.setdefault((append.context.tenant, append.stream), [])
        for index, event in enumerate(append.events):
            position = len(self._events) + 1
            identity, *_, leaf = [field[4:] for field in encoded.events[index]]
            version += 1
            recorded = RecordedEvent(
                position=position,
                tenant=append.context.tenant,
                stream=append.stream,
                version=version,
                event_id=str(UUID(bytes=identity)),
                type=type(event).__name__,
                schema_version=event.schema_version,
                data=bodies[index][1],
                recorded_at=now,
                occurred_at=append.context.occurred_at,
                command_id=append.context.command_id,
                correlation_id=append.context.correlation_id,
                causation_id=append.context.causation_id,
                actor=append.context.actor,
                source_address=append.context.source_address,
                traceparent=append.context.traceparent,
                metadata=append.context.metadata,
                hash_version=HASH_VERSION,
                key_id=None,
                leaf=leaf,
                chain=chain_hash(self._chain(), position, version, micros(now), leaf),
                event=event,
            )
            self._events.append(recorded)
            stream.append(recorded)

    def _chain(self) -> bytes:
        return self._events[-1].chain if self._events else GENESIS

    def _now(self) -> datetime:
        """Never before what is recorded already."""
        now = datetime.now(UTC)
        return max(now, self._events[-1].recorded_at) if self._events else now


def _replayed(receipt: Receipt) -> Receipt:
    return Receipt(
        command_id=receipt.command_id,
        status=receipt.status,
        stream=receipt.stream,
        version=receipt.version,
        first_position=receipt.first_position,
        last_position=receipt.last_position,
        replayed=True,
    )
