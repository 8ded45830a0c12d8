"""Refuses requests for more than the engine's machine has."""

from typing import Any

from api.http import errors as e
from api.http.call import Call
from domain.containers.spec import MEBIBYTE, Limits

MILLIS = 1_000


async def check_limits(call: Call[Any, Any], limits: Limits, *, default: Limits, path: str) -> None:
    """Where the size is not known now, the engine itself says no later; so it does about a default
    that is more than a small machine has, for nobody asked for that. A request that was accepted
    once is accepted again.
    """
    size = await call.parts.machine.size()
    if size is None:
        return
    has_millis = size.processors * MILLIS
    if limits.cpu_millis > max(has_millis, default.cpu_millis):
        why = f"cpu_millis is {limits.cpu_millis}; the engine's machine has {has_millis}."
    elif limits.memory_bytes > max(size.memory_bytes, default.memory_bytes):
        wanted, has = limits.memory_bytes // MEBIBYTE, size.memory_bytes // MEBIBYTE
        why = f"memory_bytes is {wanted} MiB; the engine's machine has {has} MiB."
    else:
        return
    if await call.parts.store.find_receipt(call.tenant, call.command_id) is None:
        raise e.Rejected(e.BEYOND_THE_MACHINE, f"{why} Ask for less.", path=path)
