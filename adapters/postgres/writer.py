"""Group commit: one connection per process records all waiting commands at once.

While PostgreSQL works on a batch the next one is on its way, and callers use the answers to the
last one and queue commands.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec
import psycopg

from adapters.postgres.append_call import call_append, prepare_append
from adapters.postgres.connections import connect
from adapters.postgres.envelope import COMMAND_ID, STREAM, EncodedAppend
from adapters.postgres.errors import NOT_SET_UP, UNREACHABLE, is_answer, one_line
from adapters.postgres.outcomes import AppendRow, outcomes_of
from adapters.postgres.prepared_call import PreparedCall
from domain.errors import StoreOverloaded, StoreUnavailable
from domain.event import Receipt

MAX_WAITING = 8_192
MAX_BATCH = 1_024
SMALL_BATCH = 32
LANES = 2
MAX_BATCH_BYTES = 16 * 1024 * 1024
GRACE_SECONDS = 10.0
CALL_SECONDS = 25.0  # of two batches that PostgreSQL gives ten seconds each
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0
CLOSED = "The log is closed: start the service again."


class Waiting(msgspec.Struct, gc=False):
    encoded: EncodedAppend
    future: asyncio.Future[Receipt]
    since: float


class BatchWriter:
    """Answers each command once its batch is durable.

    When the connection is lost the outcome of a batch is unknown, so the same batch is sent again:
    receipts make that harmless. After the grace time without success it is given up, and until
    PostgreSQL answers again each batch is tried only once.
    """

    def __init__(
        self, url: str, *, max_waiting: int = MAX_WAITING, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self._url = url
        self._max_waiting = max_waiting
        self._grace_seconds = grace_seconds
        self._waiting: deque[Waiting] = deque()
        self._connecting = asyncio.Lock()
        self._call: PreparedCall | None = None
        self._lanes: list[asyncio.Task[None]] = []
        self._idle: list[asyncio.Future[None]] = []
        self._under_way = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closing = False
        self._is_down = False

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def start(self) -> None:
        if not self._lanes:
            self._is_closing = False
            self._loop = asyncio.get_running_loop()
            self._lanes = [
                asyncio.create_task(self._run(), name=f"log writer {number}")
                for number in range(LANES)
            ]

    async def stop(self) -> None:
        """Record what is waiting, then end. Safe twice, safe before start."""
        lanes, self._lanes = self._lanes, []
        if not lanes:
            return
        self._is_closing = True
        while self._idle:
            self._wake()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._grace_seconds):
                    await asyncio.gather(*lanes)
        finally:
            _fail(self._waiting, CLOSED)
            self._waiting.clear()
            await self._disconnect()

    def submit(self, encoded: EncodedAppend) -> asyncio.Future[Receipt]:
        loop = self._loop  # to ask for the running one is a system call
        if not self._lanes or loop is None:
            raise StoreUnavailable(CLOSED)
        if len(self._waiting) >= self._max_waiting:
            raise StoreOverloaded(
                f"{len(self._waiting)} commands are waiting already. Try again in a moment."
            )
        future: asyncio.Future[Receipt] = loop.create_future()
        self._waiting.append(Waiting(encoded, future, loop.time()))
        if self._idle and self._may_send():
            self._wake()
        return future

    async def _run(self) -> None:
        """One lane: one batch after the other."""
        while True:
            if self._may_send():
                await self._send_next()
            elif self._is_closing:
                return  # if anything waits, the other lane will send it
            else:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._idle.append(turn)
                await turn

    async def _send_next(self) -> None:
        batch = self._take(self._share())
        self._under_way += 1
        if self._idle and self._may_send():
            self._wake()
        try:
            await self._record(batch)
        except asyncio.CancelledError:
            _fail(batch, CLOSED)
            raise
        except Exception as error:  # noqa: BLE001 - its callers get it, others are served
            _raise_in(batch, error)
        finally:
            self._under_way -= 1

    def _wake(self) -> None:
        """One lane that is idle."""
        turn = self._idle.pop()
        if not turn.done():
            turn.set_result(None)

    def _may_send(self) -> bool:
        """A batch costs as much as some twenty commands: beside another it must be worth that."""
        return len(self._waiting) >= (SMALL_BATCH if self._under_way else 1)

    def _share(self) -> int:
        """Half of a burst, so that PostgreSQL and the callers work in turns, not one after the
        other: from then on a batch is under way while the answers to the last one are used."""
        if self._under_way:
            return MAX_BATCH
        return min(MAX_BATCH, max(SMALL_BATCH, len(self._waiting) // 2))

    def _take(self, limit: int) -> list[Waiting]:
        """The next batch. What shares a stream or a command id with it stays, in its order."""
        batch: list[Waiting] = []
        later: list[Waiting] = []
        streams: set[bytes] = set()
        commands: set[bytes] = set()
        size = 0
        while self._waiting and max(len(batch), len(later)) < limit and size < MAX_BATCH_BYTES:
            waiting = self._waiting.popleft()
            if waiting.future.done():
                continue  # its caller has gone, and nothing was recorded
            encoded = waiting.encoded
            # Whatever their tenants: who shares them only by chance waits for the next batch.
            stream, command = encoded.command[STREAM], encoded.command[COMMAND_ID]
            (later if stream in streams or command in commands else batch).append(waiting)
            streams.add(stream)
            commands.add(command)
            size += encoded.size
        self._waiting.extendleft(reversed(later))
        return batch

    async def _record(self, batch: Sequence[Waiting]) -> None:
        if not batch:
            return
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + (0 if self._is_down else self._grace_seconds)
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                row = await self._send([waiting.encoded for waiting in batch])
            except UNREACHABLE as error:
                if not is_answer(error):
                    await self._disconnect()
                if loop.time() >= give_up_at:
                    self._give_up(batch, one_line(error))
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            except NOT_SET_UP as error:
                _fail(batch, f"The database is not ready: {one_line(error)}")
                return
            except psycopg.Error as error:
                self._is_down = False
                await self._isolate(batch, error)
                return
            else:
                self._is_down = False
                _answer(batch, row)
                return

    async def _send(self, batch: Sequence[EncodedAppend]) -> AppendRow:
        async with asyncio.timeout(CALL_SECONDS):
            return await call_append(self._call or await self._connect(), batch)

    async def _connect(self) -> PreparedCall:
        async with self._connecting:
            if self._call is None:
                self._call = await prepare_append(await connect(self._url, "log writer"))
            return self._call

    async def _disconnect(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            await call.close()

    async def _isolate(self, batch: Sequence[Waiting], error: psycopg.Error) -> None:
        """One command that PostgreSQL cannot take must not fail the others."""
        if len(batch) > 1:
            for number, waiting in enumerate(batch, 1):
                await self._record([waiting])
                if self._is_down:  # one has waited for it long enough
                    _fail(batch[number:], "PostgreSQL does not answer any more")
                    return
        else:
            _raise_in(batch, error)

    def _give_up(self, batch: Sequence[Waiting], reason: str) -> None:
        self._is_down = True
        _fail(batch, f"PostgreSQL does not answer: {reason}")
        overdue = asyncio.get_running_loop().time() - self._grace_seconds
        while self._waiting and self._waiting[0].since < overdue:
            _fail([self._waiting.popleft()], f"PostgreSQL does not answer: {reason}")


def _answer(batch: Sequence[Waiting], row: AppendRow) -> None:
    encoded = [waiting.encoded for waiting in batch]
    for waiting, outcome in zip(batch, outcomes_of(encoded, row), strict=True):
        if waiting.future.done():
            continue
        if isinstance(outcome, Receipt):
            waiting.future.set_result(outcome)
        else:
            waiting.future.set_exception(outcome)


def _fail(batch: Iterable[Waiting], reason: str) -> None:
    for waiting in batch:
        _raise_in([waiting], StoreUnavailable(reason))


def _raise_in(batch: Iterable[Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.future.done():
            waiting.future.set_exception(error)
