"""The checks of `doctor`, side by side; one that cannot be made is a finding, too."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path

import click
import msgspec

CHECK_SECONDS = 20.0
START = "Start it: eulermaker up"


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """advice: what to type or change; empty where all is well."""

    part: str
    verdict: Verdict
    found: str
    advice: str = ""


Check = Callable[[], Awaitable[Finding]]


def good(part: str, found: str) -> Finding:
    return Finding(part=part, verdict=Verdict.GOOD, found=found)


def warning(part: str, found: str, advice: str) -> Finding:
    return Finding(part=part, verdict=Verdict.WARNING, found=found, advice=advice)


def bad(part: str, found: str, advice: str) -> Finding:
    return Finding(part=part, verdict=Verdict.BAD, found=found, advice=advice)


async def check_all(data_dir: Path) -> list[Finding]:
    from api.cli import checkup_machine as machine
    from api.cli import checkup_parts as parts
    from api.cli import checkup_service as service
    from api.cli.local_database import load_settings

    try:
        settings = load_settings(data_dir)
    except click.ClickException as error:
        return [bad("settings", error.message, "Correct the file or the variable that it names.")]
    checks: dict[str, Callable[[], Awaitable[Finding]]] = {
        "python": lambda: asyncio.to_thread(machine.check_python),
        "data directory": lambda: asyncio.to_thread(machine.check_data_directory, settings),
        "keys": lambda: asyncio.to_thread(machine.check_private_files, settings),
        "disk": lambda: asyncio.to_thread(machine.check_disk, settings),
        "PostgreSQL": lambda: parts.check_postgres(settings),
        "clock": lambda: parts.check_clock(settings),
        "Redis": lambda: parts.check_redis(settings),
        "Docker": lambda: parts.check_docker(settings),
        "engine binding": lambda: service.check_engine_binding(settings),
        "base image": lambda: parts.check_base_image(settings),
        "service": lambda: service.check_service(settings),
        "admin key": lambda: service.check_admin_key(settings),
        "projections": lambda: service.check_projections(settings),
    }
    return list(await asyncio.gather(*(_made(part, check) for part, check in checks.items())))


async def _made(part: str, check: Check) -> Finding:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return bad(part, f"no answer within {CHECK_SECONDS:.0f} s", "Is the machine overloaded?")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
        first = (str(error) or type(error).__name__).splitlines()[0]
        return bad(part, first, "See the message; the other findings may say why.")
