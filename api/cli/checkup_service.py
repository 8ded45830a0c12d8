"""What the service says of itself."""

import asyncio
from http.client import HTTPException

import msgspec

from api.cli.admin_key import advice, is_turned_away
from api.cli.checkup import START, Finding, bad, good, warning
from api.cli.checkup_parts import engine_answers
from api.cli.client import ApiClient
from api.cli.data_directory import DataDirectory, read_text
from api.cli.engine import EngineView
from api.cli.output import decode
from api.cli.problems import ServiceRefused, ServiceUnreachable
from api.cli.service_address import DEFAULT_ADDRESS, NoKey, ServiceAddress, find_service
from api.settings import Settings
from projections.queries import ProjectionStatus

LAG = 10_000
NOT_ASKED = (NoKey, ServiceUnreachable)


class _Projections(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[ProjectionStatus, ...]


async def check_engine_binding(settings: Settings) -> Finding:
    try:
        found = decode(await _ask(settings, "/v1/engine"), EngineView)
    except NOT_ASKED as error:
        return _not_asked("engine binding", error)
    if found.bound is None:
        return warning("engine binding", "no engine was reached yet", "See Docker.")
    if found.foreign is not None:
        return bad(
            "engine binding",
            f"{found.foreign} answers, not {found.bound}: nothing is done",
            f"Correct DOCKER_HOST, or: eulermaker engine rebind {found.foreign.engine_id}",
        )
    if not await engine_answers(settings):
        return warning(
            "engine binding",
            f"bound to {found.bound}; not compared: the engine does not answer",
            "See Docker.",
        )
    return good("engine binding", f"bound to {found.bound}")


async def check_service(settings: Settings) -> Finding:
    try:
        await _ask(settings, "/readyz")
    except NOT_ASKED as error:
        return _not_asked("service", error)
    except ServiceRefused as error:
        return bad("service", error.message, f"See the logs in {settings.directory / 'logs'}.")
    return good("service", f"ready on {_address(settings).url}")


async def check_admin_key(settings: Settings) -> Finding:
    directory = DataDirectory(settings.directory)
    file, address = directory.admin_key, read_text(directory.server)
    key = read_text(file)
    if key is None:
        return warning("admin key", f"{file} is not there", f"{START} (it makes a new one)")
    try:
        turned_away = await asyncio.to_thread(is_turned_away, address or DEFAULT_ADDRESS, key)
    except (OSError, HTTPException):
        return warning("admin key", "the service does not run", START)
    if turned_away:
        return bad("admin key", f"the service does not accept the one in {file}", advice(file))
    return good("admin key", f"{file} is accepted")


async def check_projections(settings: Settings) -> Finding:
    try:
        found = decode(await _ask(settings, "/v1/projections"), _Projections)
    except NOT_ASKED as error:
        return _not_asked("projections", error)
    stuck = [each.name for each in found.items if each.active and each.error]
    dead = sum(each.dead_letters for each in found.items if each.active)
    lag = max((each.lag for each in found.items if each.active), default=0)
    if stuck:
        advice = "eulermaker projections list says why; rebuild them when that is solved."
        return bad("projections", f"{', '.join(stuck)} stand still", advice)
    if dead or lag > LAG:
        advice = "eulermaker projections list"
        return warning("projections", f"{dead} dead letters, at most {lag} events behind", advice)
    return good("projections", f"at most {lag} events behind")


async def _ask(settings: Settings, path: str) -> bytes:
    """Raises ServiceRefused and NOT_ASKED."""
    async with ApiClient(_address(settings)) as client:
        return await client.get(path, tries=1)


def _address(settings: Settings) -> ServiceAddress:
    return find_service(None, settings.client.key or None, settings.directory)


def _not_asked(part: str, error: NoKey | ServiceUnreachable) -> Finding:
    if isinstance(error, NoKey):
        return warning(part, "there is no API key to ask the service with", "See admin key.")
    return warning(part, f"the service does not answer: {error.reason}", START)
