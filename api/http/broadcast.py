"""One follower of the log for all WebSockets of the process.

An event is encoded and framed once and written to the transports of everybody who is up to date.
Whoever reads too slowly is left to catch up alone, from the log: nobody waits for anybody.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import structlog
from aiohttp import WSMsgType, web

from api.http.auth import AuthenticationError, KeyRing, Principal
from api.http.event_filter import EventFilter
from api.http.event_views import view
from api.http.open_streams import SEND_SECONDS
from api.http.parts import Tail
from domain.access.events import KeyRevoked
from domain.errors import StoreUnavailable
from domain.event import RecordedEvent
from domain.ports import EventStore

PAGE = 500
WAIT_SECONDS = 1.0
PAUSE_SECONDS = 0.2
HEARTBEAT_SECONDS = 10.0
UNWATCHED_PACE_SECONDS = 0.02  # only revocations are waited for then, and a second is their limit
MAX_UNSENT_BYTES = 262_144
REVOKED = 4401
TEXT_FRAME = 0x81
SHORT, MEDIUM = 126, 65_536

_log = structlog.get_logger()


class Subscriber:
    """position: it has got everything up to there. slow: it must catch up by itself."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        principal: Principal,
        wanted: EventFilter,
        position: int,
    ) -> None:
        self.socket = socket
        self.transport = transport
        self.principal = principal
        self.wanted = wanted
        self.position = position
        self.slow = asyncio.Event()

    def push(self, frames: bytes, position: int) -> bool:
        """Whether there was room. No pause between two frames: each is written whole."""
        if self.transport.is_closing() or self.socket.closed:
            return False
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            return False
        if frames:
            self.transport.write(frames)
        self.position = position
        return True


class Broadcast:
    def __init__(self, tail: Tail, store: EventStore, key_ring: KeyRing) -> None:
        self._tail = tail
        self._store = store
        self._key_ring = key_ring
        self._position = -1
        self._moved = asyncio.Event()
        self._subscribers: set[Subscriber] = set()
        self._live: set[Subscriber] = set()
        self._closing: set[asyncio.Task[bool]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._task is None:
            self._set_pace()
            self._task = asyncio.create_task(self._run(), name="broadcast")

    async def stop(self) -> None:
        """Safe twice, safe before start. Tells the clients that we go away."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for subscriber in tuple(self._subscribers):
            self._close(subscriber, 1001, b"the service stops")
        if self._closing:
            await asyncio.wait(self._closing)

    @property
    def catching_up(self) -> int:
        """How many clients are not up to date."""
        return len(self._subscribers) - len(self._live)

    async def serve(self, subscriber: Subscriber) -> None:
        """Send it everything until the connection or its key ends."""
        self._subscribers.add(subscriber)
        self._set_pace()
        try:
            while True:
                await self._catch_up(subscriber)
                self._live.add(subscriber)  # no await since the comparison: nothing is missed
                await self._stay_live(subscriber)
        except AuthenticationError:
            self._close(subscriber, REVOKED, b"the key is revoked")
        except (ConnectionResetError, TimeoutError):
            subscriber.transport.abort()
        finally:
            self._live.discard(subscriber)
            self._subscribers.discard(subscriber)
            self._set_pace()

    def _set_pace(self) -> None:
        """To read each event by itself costs more than the command that made it."""
        self._tail.pace_seconds = 0.0 if self._subscribers else UNWATCHED_PACE_SECONDS

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except StoreUnavailable:
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception:  # noqa: BLE001 - the outermost loop
                _log.exception("broadcast failed; it goes on")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self) -> None:
        if self._position < 0:
            self._position = (await self._store.head()).position
            self._tell()
        while True:
            await self._tail.wait(self._position, WAIT_SECONDS)
            if events := await self._tail.read(self._position, PAGE):
                self._publish(events)

    def _publish(self, events: Sequence[RecordedEvent]) -> None:
        last = events[-1].position
        encoded: dict[int, bytes] = {}
        batches: dict[EventFilter, bytes] = {}
        for subscriber in tuple(self._live):
            batch = batches.get(subscriber.wanted)
            if batch is None:
                batch = batches[subscriber.wanted] = _batch(subscriber.wanted, events, encoded)
            if not subscriber.push(batch, last):
                self._live.discard(subscriber)
                subscriber.slow.set()
        self._position = last
        self._tell()
        self._heed_revocations(events)

    def _heed_revocations(self, events: Sequence[RecordedEvent]) -> None:
        for recorded in events:
            if not isinstance(recorded.event, KeyRevoked):
                continue
            key_id = recorded.event.key_id
            self._key_ring.revoke(key_id)
            for subscriber in tuple(self._subscribers):
                if subscriber.principal.key_id == key_id:
                    self._close(subscriber, REVOKED, b"the key is revoked")

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _catch_up(self, subscriber: Subscriber) -> None:
        while subscriber.position != self._position:
            if subscriber.position > self._position:
                await self._wait_moved()
                continue
            try:
                events = await self._tail.read(subscriber.position, PAGE)
            except StoreUnavailable:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            await self._send(subscriber, [e for e in events if e.position <= self._position])
        subscriber.slow.clear()

    async def _send(self, subscriber: Subscriber, events: Sequence[RecordedEvent]) -> None:
        """With back-pressure: a client that takes nothing for SEND_SECONDS is dropped."""
        for recorded in events:
            if subscriber.wanted.matches(recorded):
                async with asyncio.timeout(SEND_SECONDS):
                    await subscriber.socket.send_frame(_message(recorded), WSMsgType.TEXT)
            subscriber.position = recorded.position

    async def _wait_moved(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._moved.wait()

    async def _stay_live(self, subscriber: Subscriber) -> None:
        """Until it is too slow. Now and then it is told where it is, and its key is checked."""
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await subscriber.slow.wait()
            except TimeoutError:
                await self._key_ring.recheck(subscriber.principal)
                at = subscriber.position
                subscriber.push(frame(b'{"position":%d}' % at), at)
                continue
            if subscriber.transport.is_closing() or subscriber.socket.closed:
                raise ConnectionResetError
            return

    def _close(self, subscriber: Subscriber, code: int, message: bytes) -> None:
        self._live.discard(subscriber)
        task = asyncio.create_task(subscriber.socket.close(code=code, message=message))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


_ENCODE = msgspec.json.Encoder().encode


def _batch(
    wanted: EventFilter, events: Sequence[RecordedEvent], encoded: dict[int, bytes]
) -> bytes:
    """The frames of what is wanted. encoded: by position; what is missing there is added."""
    frames: list[bytes] = []
    for recorded in events:
        if wanted.matches(recorded):
            known = encoded.get(recorded.position)
            if known is None:
                known = encoded[recorded.position] = frame(_message(recorded))
            frames.append(known)
    return b"".join(frames)


def _message(recorded: RecordedEvent) -> bytes:
    return b'{"event":' + _ENCODE(view(recorded)) + b"}"


def frame(message: bytes) -> bytes:
    """A whole text message as RFC 6455 frames it from the server's side: unmasked."""
    size = len(message)
    if size < SHORT:
        return bytes((TEXT_FRAME, size)) + message
    if size < MEDIUM:
        return bytes((TEXT_FRAME, 126)) + size.to_bytes(2) + message
    return bytes((TEXT_FRAME, 127)) + size.to_bytes(8) + message
