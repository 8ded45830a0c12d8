"""The judgement after a run: what was acknowledged, recorded, done and shown must be one story."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.postgres.projection_check import verify_projections
from adapters.postgres.verify import verify_log
from domain.builds.events import BuildFailed
from domain.containers.events import ContainerOperationOutcomeUnknown
from domain.containers.state import Status
from domain.event import RecordedEvent
from domain.processes import naming
from ops.bench.faults.client import Acknowledged, Observations
from ops.bench.faults.engine import PrivateEngine
from ops.bench.faults.engine_diary import EngineDiary
from ops.bench.faults.evidence import Evidence, gather_evidence, rows_of

QUIET_SECONDS = 180.0
PAUSE_SECONDS = 0.5
SHOWN = 5
BUILD_NETWORK = "eulermaker-builds"
STATUS_IN_ENGINE = {
    Status.CREATED: {"created"},
    Status.RUNNING: {"running"},
    Status.PAUSED: {"paused"},
    Status.STOPPED: {"exited"},
    Status.FAILED: {"created", "exited", "missing"},
}


class Verdict(msgspec.Struct):
    """Named counts, and what is wrong, if anything."""

    counts: dict[str, int] = {}
    wrong: list[str] = []

    def count(self, name: str, number: int) -> None:
        self.counts[name] = number

    def none_of(self, name: str, found: Sequence[object]) -> None:
        self.counts[name] = len(found)
        self.wrong += [f"{name}: {each}" for each in found[:SHOWN]]


async def judge(
    owner_url: str, engine: PrivateEngine, diary: EngineDiary, seen: Observations
) -> Verdict:
    verdict = Verdict()
    await _until_quiet(owner_url, verdict)
    evidence = await gather_evidence(owner_url, engine)
    _judge_client(verdict, seen)
    await _judge_commands(verdict, owner_url, seen.acknowledged, evidence.events)
    _judge_objects(verdict, evidence)
    _judge_calls(verdict, evidence, diary)
    await _judge_log(verdict, owner_url)
    return verdict


async def _until_quiet(owner_url: str, verdict: Verdict) -> None:
    """No effect waits, nothing is under way, the engine shows what was recorded, twice in a row."""
    deadline = asyncio.get_running_loop().time() + QUIET_SECONDS
    quiet = 0
    position = -1
    while quiet < 3 and asyncio.get_running_loop().time() < deadline:  # noqa: PLR2004
        waiting, head, behind = await _work_left(owner_url)
        quiet = quiet + 1 if (waiting, behind) == (0, 0) and head == position else 0
        position = head
        await asyncio.sleep(PAUSE_SECONDS * 4)
    waiting = (await _work_left(owner_url))[0]
    verdict.none_of("effects left over", await rows_of(owner_url, EFFECTS) if waiting else [])


EFFECTS = "SELECT effect_id, stream, attempts, superseded, last_error, timer FROM work.effects"
WORK_LEFT = """
SELECT (SELECT count(*) FROM work.effects),
       (SELECT position FROM log.log_head),
       (SELECT position FROM log.log_head)
           - least((SELECT min(position) FROM read_models.projections WHERE state = 'active'),
                   (SELECT position FROM work.processes))
"""
RECEIPTS = "SELECT command_id, status, first_position, last_position FROM log.receipts"


async def _work_left(owner_url: str) -> tuple[int, int, int]:
    ((waiting, head, behind),) = await rows_of(owner_url, WORK_LEFT)
    return waiting, head, behind


def _judge_client(verdict: Verdict, seen: Observations) -> None:
    verdict.count("commands acknowledged", len(seen.acknowledged))
    verdict.count("of them refused", sum(a.status == "refused" for a in seen.acknowledged))
    verdict.count("answers lost and asked for again", seen.lost_answers)
    verdict.count("answers 503", len(seen.unavailable))
    verdict.count("longest wait for an answer (s)", round(seen.longest_wait))
    verdict.none_of("wrong answers", seen.wrong)
    verdict.none_of("requests never answered", seen.abandoned)


async def _judge_commands(
    verdict: Verdict,
    owner_url: str,
    acknowledged: Sequence[Acknowledged],
    events: Sequence[RecordedEvent],
) -> None:
    receipts = {row[0]: row[1:] for row in await rows_of(owner_url, RECEIPTS)}
    positions: dict[str, list[int]] = defaultdict(list)
    for recorded in events:
        positions[recorded.command_id].append(recorded.position)
    verdict.count("events recorded", len(events))
    verdict.none_of(
        "acknowledged commands lost",
        [a for a in acknowledged if not _is_recorded(a, receipts, positions)],
    )
    twice = [
        (command_id, found)
        for command_id, found in positions.items()
        if command_id not in receipts
        or found != list(range(receipts[command_id][1], receipts[command_id][2] + 1))
    ]
    verdict.none_of("commands recorded twice or beside their receipt", twice)
    known = {a.command_id for a in acknowledged}
    by_keys = {e.command_id for e in events if e.actor.startswith("key:")}
    verdict.none_of("commands recorded that the client does not know", sorted(by_keys - known))


def _is_recorded(
    known: Acknowledged,
    receipts: dict[str, tuple[Any, ...]],
    positions: dict[str, list[int]],
) -> bool:
    receipt = receipts.get(known.command_id)
    if receipt is None or receipt[0] != known.status:
        return False
    if known.status == "refused":
        return len(positions[known.command_id]) == 1
    told = (known.body["first_position"], known.body["position"])
    expected = list(range(told[0], told[1] + 1)) if told[1] else []
    return receipt[1:] == told and positions.get(known.command_id, []) == expected


def _judge_objects(verdict: Verdict, evidence: Evidence) -> None:
    living = {
        naming.container_name(state.container_id, state.generation): state
        for state in evidence.containers.values()
        if state.status is not Status.REMOVED
    }
    in_engine, expected_networks = evidence.in_engine, set[str]()
    verdict.count("containers requested", len(evidence.containers))
    verdict.count("of them still there", len(living))
    verdict.none_of("engine containers orphaned", sorted(set(in_engine) - set(living)))
    labels = Counter[str](
        str(dict(found["Config"]["Labels"] or {}).get(naming.AGGREGATE))
        for found in in_engine.values()
    )
    verdict.none_of("engine containers doubled", [n for n, c in labels.items() if c > 1])
    disagreeing = list[str]()
    for name, state in living.items():
        status = in_engine[name]["State"]["Status"] if name in in_engine else "missing"
        if status not in STATUS_IN_ENGINE.get(state.status, set()):
            disagreeing.append(f"{name} is {state.status} here and {status} in the engine")
        if state.spec.network == "isolated":
            expected_networks.add(naming.network_name(state.container_id))
    verdict.none_of("containers whose state is not the engine's", disagreeing)
    verdict.none_of(
        "intents without an outcome",
        [s for s in evidence.containers.values() if s.operations],
    )
    names = [network["Name"] for network in evidence.networks]
    names = [name for name in names if not name.startswith(BUILD_NETWORK)]
    verdict.none_of("networks orphaned", sorted(set(names) - expected_networks))
    verdict.none_of("networks doubled", [n for n, c in Counter(names).items() if c > 1])
    verdict.count("builds submitted", len(evidence.builds))
    ends = Counter(str(build.phase) for build in evidence.builds.values())
    for phase, number in ends.items():
        verdict.count(f"builds {phase}", number)
    verdict.count("build attempts", sum(build.attempt for build in evidence.builds.values()))
    verdict.none_of(
        "builds without an end", [b.build_id for b in evidence.builds.values() if not b.ended]
    )
    blamed = [r.event for r in evidence.events if isinstance(r.event, BuildFailed)]
    verdict.none_of("builds blamed on their user", blamed)


def _judge_calls(verdict: Verdict, evidence: Evidence, diary: EngineDiary) -> None:
    """Every start and stop that the engine made was asked for and recorded once, and vice versa."""
    told: dict[str, Counter[str]] = defaultdict(Counter)
    unknown = Counter[str]()
    for recorded in evidence.events:
        if recorded.stream.startswith("container-"):
            told[recorded.stream.removeprefix("container-")][_told(recorded)] += 1
            if isinstance(recorded.event, ContainerOperationOutcomeUnknown):
                unknown[recorded.event.operation] += 1
                container_id = recorded.event.container_id
                told[container_id][f"unknown {recorded.event.operation}"] += 1
    for operation, number in unknown.items():
        verdict.count(f"outcomes of {operation} that stayed unknown", number)
    starts, stops, signals = list[str](), list[str](), list[str]()
    for container_id, counts in told.items():
        made = diary.of(naming.container_name(container_id, 1))
        recorded_starts = counts["ContainerStarted"] + counts["ContainerRestarted"]
        perhaps = counts["unknown start"] + counts["unknown restart"]
        if not recorded_starts <= made["start"] <= recorded_starts + perhaps:
            starts.append(f"{container_id}: {made['start']} made, {recorded_starts} recorded")
        allowed = counts["ContainerStopped"] + counts["ContainerRestarted"]
        allowed += counts["unknown stop"] + counts["unknown restart"]
        if made["stop"] > allowed:
            stops.append(f"{container_id}: {made['stop']} made, {allowed} recorded")
        for signal, name in (("10", "USR1"), ("1", "HUP")):
            sent, asked = made[f"kill {signal}"], counts[f"ContainerKilled {name}"]
            if sent > counts[f"ContainerKillRequested {name}"] or asked > sent:
                signals.append(f"{container_id}: {name} sent {sent} times, recorded {asked} times")
    verdict.count("starts by the engine's own account", diary.total("start"))
    verdict.none_of("starts that are not one to one", starts)
    verdict.count("stops by the engine's own account", diary.total("stop"))
    verdict.none_of("stops that nobody recorded", stops)
    verdict.none_of("signals sent twice", signals)
    steps = [f"{name}: {n}" for name, n in diary.starts_of_steps().items() if n > 1]
    verdict.none_of("build steps started twice", steps)


def _told(recorded: RecordedEvent) -> str:
    signal = getattr(recorded.event, "signal", None)
    return f"{recorded.type} {signal}" if signal else recorded.type


async def _judge_log(verdict: Verdict, owner_url: str) -> None:
    report = await verify_log(owner_url)
    verdict.count("events verified", report.position)
    verdict.none_of("chain damaged", [report.damage] if report.damage else [])
    for compared in (await verify_projections(owner_url)).projections:
        verdict.count(f"rows of {compared.name}", compared.rows)
        verdict.none_of(f"rows of {compared.name} unlike a rebuild", compared.keys)
    dead = await rows_of(owner_url, "SELECT * FROM read_models.dead_letters")
    verdict.none_of("dead letters", dead)
