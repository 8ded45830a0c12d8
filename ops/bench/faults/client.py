"""A client that believes nothing: it keeps what it was told, and checks what it is told later.

A lost answer is asked for again with the same idempotency key, as any careful client would.
"""

import asyncio
import time
import uuid
from collections import Counter
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import msgspec

GIVE_UP_SECONDS = 240.0
CALL_SECONDS = 40.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
ACCEPTED, CONFLICT, UNAVAILABLE = 202, 409, 503

Answer = dict[str, Any]


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """A command that the service answered. body: the receipt, or the refusal."""

    command_id: str
    kind: str
    status: Literal["accepted", "refused"]
    body: Answer


class WrongAnswer(Exception):
    """The service said what cannot be true."""


class Observations(msgspec.Struct):
    """What the client lived through. unavailable: moments of answers 503, by their type."""

    acknowledged: list[Acknowledged] = []
    wrong: list[str] = []
    abandoned: list[str] = []
    statuses: Counter[str] = msgspec.field(default_factory=Counter[str])
    unavailable: list[tuple[float, str]] = []
    lost_answers: int = 0
    longest_wait: float = 0.0


class CarefulClient:
    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"}
        self._session: aiohttp.ClientSession | None = None
        self.seen = Observations()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def command(
        self, kind: str, path: str, body: object = None, *, method: str = "POST"
    ) -> Acknowledged:
        """Answered at last: accepted or refused."""
        command_id = str(uuid.uuid4())
        headers = {"Idempotency-Key": command_id, "Content-Type": "application/json"}
        content = msgspec.json.encode({} if body is None else body)
        status, answer = await self._until_answered(
            method, path, headers=headers, content=content, expected=(ACCEPTED, CONFLICT)
        )
        known = Acknowledged(
            command_id=command_id,
            kind=kind,
            status="accepted" if status == ACCEPTED else "refused",
            body=answer,
        )
        self.seen.acknowledged.append(known)
        return known

    async def read(self, path: str) -> Answer:
        _, answer = await self._until_answered("GET", path, expected=(200,))
        return answer

    async def upload(self, content: bytes) -> Answer:
        headers = {"Content-Type": "application/octet-stream"}
        _, answer = await self._until_answered(
            "POST", "/v1/blobs", headers=headers, content=content, expected=(201,)
        )
        return answer

    def doubt(self, claim: str) -> None:
        self.seen.wrong.append(claim)

    async def _until_answered(
        self,
        method: str,
        path: str,
        *,
        expected: tuple[int, ...],
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> tuple[int, Answer]:
        began, pause = time.monotonic(), FIRST_PAUSE_SECONDS
        while time.monotonic() - began < GIVE_UP_SECONDS:
            answered = await self._once(method, path, headers or {}, content)
            if answered is not None:
                status, answer = answered
                self.seen.longest_wait = max(self.seen.longest_wait, time.monotonic() - began)
                if status in expected:
                    return answered
                self.doubt(f"{method} {path}: {status} {answer}")
                raise WrongAnswer(f"{method} {path}: {status} {answer}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self.seen.abandoned.append(f"{method} {path} {headers or ''}")
        raise WrongAnswer(f"{method} {path}: no answer in {GIVE_UP_SECONDS:.0f} s")

    async def _once(
        self, method: str, path: str, headers: dict[str, str], content: bytes | None
    ) -> tuple[int, Answer] | None:
        """None where it should be asked again."""
        assert self._session is not None
        try:
            async with self._session.request(
                method, self._address + path, headers=headers, data=content
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.seen.lost_answers += 1
            return None
        answer = _decoded(body)
        kind = str(answer.get("type", "")).rpartition(":")[2]
        self.seen.statuses[f"{response.status} {kind}".strip()] += 1
        if response.status != UNAVAILABLE:
            if kind == "concurrent-change":  # nothing was recorded: the same may be asked again
                return None
            return response.status, answer
        self.seen.unavailable.append((time.time(), kind))
        if "Retry-After" not in response.headers:
            self.doubt(f"{method} {path}: 503 without Retry-After")
        return None


def _decoded(body: bytes) -> Answer:
    try:
        return msgspec.json.decode(body, type=Answer)
    except msgspec.DecodeError:
        return {"undecodable": body.decode(errors="replace")[:200]}
