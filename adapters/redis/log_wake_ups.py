"""Wake-ups for the readers of logs, across processes. Without Redis a wait is a short nap."""

import msgspec

from adapters.memory.log_wake_ups import InMemoryLogWakeUps
from adapters.redis.broadcast import RedisBroadcast

CHANNEL = "logs"
NAP_SECONDS = 0.25


class RedisLogWakeUps:
    """Implements `domain.ports.LogWakeUps`. Never raises. To be made before the broadcast
    is started; all waiters of the process share its one connection."""

    def __init__(self, broadcast: RedisBroadcast) -> None:
        self._broadcast = broadcast
        self._here = InMemoryLogWakeUps()
        self._decode = msgspec.msgpack.Decoder(tuple[str, str]).decode
        broadcast.on(CHANNEL, self._on_message, on_gap=self._here.wake_all)

    async def notify(self, tenant: str, subject: str) -> None:
        self._here.wake(tenant, subject)
        await self._broadcast.publish(CHANNEL, msgspec.msgpack.encode((tenant, subject)))

    async def wait(self, tenant: str, subject: str, *, timeout_seconds: float) -> None:
        if not self._broadcast.is_listening:
            timeout_seconds = min(timeout_seconds, NAP_SECONDS)
        await self._here.wait(tenant, subject, timeout_seconds=timeout_seconds)

    def _on_message(self, message: bytes) -> None:
        try:
            tenant, subject = self._decode(message)
        except msgspec.DecodeError:
            return  # of another version of this program
        self._here.wake(tenant, subject)
