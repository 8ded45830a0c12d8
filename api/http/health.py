"""Whether the process lives, whether it can serve, and what it measures."""

import asyncio

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.http import errors as e
from api.http.call import Answered, Call
from api.http.decoding import Nothing
from api.http.parts import ReadinessCheck
from api.metrics import metrics_of_others

CHECK_SECONDS = 2.0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: str = "ok"


async def get_health(_: Call[Nothing, Nothing]) -> Answered[Health]:
    return Answered(body=Health())


async def get_readiness(call: Call[Nothing, Nothing]) -> Answered[Health]:
    checks = call.parts.readiness
    found = await asyncio.gather(*(_check(check) for check in checks.values()))
    waits_for = {name: missing for name, missing in zip(checks, found, strict=True) if missing}
    if waits_for:
        parts = ", ".join(sorted(waits_for))
        raise e.Rejected(e.NOT_YET_READY, f"Waiting for {parts}.", waits_for=waits_for)
    return Answered(body=Health(status="ready"))


async def get_metrics(call: Call[Nothing, Nothing]) -> web.Response:
    own = generate_latest(call.parts.registry)
    others = await metrics_of_others(call.parts.settings.metrics.also)
    return web.Response(body=own + others, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _check(check: ReadinessCheck) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:.0f} s"
    except Exception as error:  # noqa: BLE001 - whatever fails here is what we wait for
        return type(error).__name__
