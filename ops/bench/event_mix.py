"""A log as a busy service writes it: containers and builds side by side, keys, refusals.

Deterministic: the same number gives the same events.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from domain.access import events as a
from domain.access.roles import Role
from domain.builds import events as b
from domain.builds.spec import BuildSpec, RpmSource, SourceFile
from domain.containers import events as c
from domain.containers.spec import ContainerSpec
from domain.event import Event

AT_ONCE = 60
START = datetime(2026, 1, 1, tzinfo=UTC)
LINE = "gcc -O2 -g -fstack-protector-strong -DHAVE_CONFIG_H -I. -I.. -c -o hello.o hello.c"
SHA = "sha256:" + "5" * 64

Fact = tuple[str, Event]
"""A stream and what happened in it."""


def facts(count: int) -> Iterator[Fact]:
    chance = random.Random(count)  # noqa: S311 - a load, not a secret
    return islice(_interleaved(chance), count)


def _interleaved(chance: random.Random) -> Iterator[Fact]:
    lives = [_life(chance) for _ in range(AT_ONCE)]
    while True:
        index = chance.randrange(AT_ONCE)
        fact = next(lives[index], None)
        if fact is None:
            lives[index] = _life(chance)
        else:
            yield fact


def _life(chance: random.Random) -> Iterator[Fact]:
    identifier = str(UUID(int=chance.getrandbits(128), version=4))
    kind = chance.choices((_container, _build, _attempt, _key), weights=(50, 40, 9, 1))[0]
    return kind(identifier, chance)


def _container(cid: str, chance: random.Random) -> Iterator[Fact]:
    stream = f"container-{cid}"
    spec = ContainerSpec(
        image="openeuler/openeuler:24.03",
        name=f"web-{cid[:8]}",
        command=("python3", "-m", "http.server"),
        environment={"LANG": "C.UTF-8", "PORT": "8080"},
    )
    yield stream, c.ContainerRequested(container_id=cid, spec=spec)
    yield stream, c.ContainerStartRequested(container_id=cid)
    yield (
        stream,
        c.ContainerCreated(
            container_id=cid, intent=1, engine_id=SHA[7:], engine_name=f"em-{cid}-1", image_id=SHA
        ),
    )
    yield stream, c.ContainerStarted(container_id=cid, intent=2, started_at=START)
    version = 4
    for _ in range(chance.randrange(3)):
        yield stream, c.ContainerPauseRequested(container_id=cid)
        yield stream, c.ContainerPaused(container_id=cid, intent=version + 1)
        yield stream, c.ContainerUnpauseRequested(container_id=cid)
        yield stream, c.ContainerUnpaused(container_id=cid, intent=version + 3)
        version += 4
    yield stream, c.ContainerStopRequested(container_id=cid, grace_seconds=10)
    ended = START + timedelta(seconds=60)
    yield (
        stream,
        c.ContainerStopped(container_id=cid, intent=version + 1, exit_code=0, finished_at=ended),
    )
    yield stream, c.ContainerRemovalRequested(container_id=cid, force=False)
    yield stream, c.ContainerRemoved(container_id=cid, intent=version + 3)


def _build(bid: str, chance: random.Random) -> Iterator[Fact]:
    stream = f"build-{bid}"
    file = SourceFile(name="hello.tar.gz", digest=SHA, size=1_024_000)
    spec = BuildSpec(name="hello", source=RpmSource(spec=file, sources=(file,)))
    yield stream, b.BuildSubmitted(build_id=bid, spec=spec, base_image="openeuler:24.03")
    steps = (b.Step.TOOLCHAIN, b.Step.RESOLVE, b.Step.PREPARE, b.Step.RPMBUILD)
    fails = chance.random() < 0.2  # noqa: PLR2004 - a share
    for step in steps:
        failed = fails and step is b.Step.RPMBUILD
        yield stream, _started(bid, step)
        yield stream, _finished(bid, step, exit_code=int(failed))
        if step is b.Step.RESOLVE:
            yield stream, _resolved(bid)
        elif step in {b.Step.TOOLCHAIN, b.Step.PREPARE}:
            yield stream, _rooted(bid, step)
    if fails:
        yield stream, _failed(bid)
        return
    artifacts = tuple(
        b.Artifact(name=f"hello-2.12-{n}.x86_64.rpm", kind="rpm", digest=SHA, size=90_000)
        for n in range(3)
    )
    yield stream, b.BuildArtifactsCollected(build_id=bid, attempt=1, artifacts=artifacts)
    yield stream, b.BuildSucceeded(build_id=bid, attempt=1)


def _started(bid: str, step: b.Step) -> Event:
    return b.BuildStepStarted(
        build_id=bid,
        attempt=1,
        step=step,
        round=1,
        engine_name=f"em-{bid}-1-{step}",
        image_id=SHA,
        started_at=START,
    )


def _finished(bid: str, step: b.Step, *, exit_code: int) -> Event:
    return b.BuildStepFinished(
        build_id=bid,
        attempt=1,
        step=step,
        round=1,
        exit_code=exit_code,
        out_of_memory=False,
        finished_at=START + timedelta(seconds=20),
        log=b.StepLog(size=120_000, digest=SHA, chunks=2, tail=(LINE,) * 20),
    )


def _resolved(bid: str) -> Event:
    requirements = b.Requirements(
        package="hello",
        version="2.12",
        release="1",
        source_date_epoch=1_700_000_000,
        requires=("gcc", "make", "gettext", "texinfo"),
        missing=("texinfo",),
    )
    return b.BuildRequirementsResolved(build_id=bid, attempt=1, round=1, requirements=requirements)


def _rooted(bid: str, step: b.Step) -> Event:
    return b.BuildRootPrepared(
        build_id=bid,
        attempt=1,
        step=step,
        round=1,
        key=SHA,
        image=f"deps:{SHA[7:19]}",
        image_id=SHA,
        packages_digest=SHA,
        reused=True,
    )


def _failed(bid: str) -> Event:
    return b.BuildFailed(
        build_id=bid,
        attempt=1,
        step=b.Step.RPMBUILD,
        exit_code=1,
        reason="%build failed: hello.c:12: error: expected ';'",
        phase="%build",
        log_tail=(LINE,) * 20,
    )


def _attempt(identifier: str, chance: random.Random) -> Iterator[Fact]:
    path = f"/v1/containers/{identifier}"
    stream = f"attempt-{identifier}"
    refused = a.CommandRefused(
        attempt_id=identifier,
        command="StopContainer",
        target=f"container-{identifier}",
        rule="stop-container-needs-running",
        state="removed",
        reason="It is removed.",
    )
    denied = a.PermissionDenied(
        attempt_id=identifier,
        role=Role.VIEWER,
        permission="containers:operate",
        method="POST",
        path=path,
    )
    failed = a.AuthenticationFailed(
        attempt_id=identifier, key_id="", reason="unknown key", method="GET", path=path
    )
    yield stream, chance.choice((refused, denied, failed))


def _key(identifier: str, _: random.Random) -> Iterator[Fact]:
    stream = f"key-{identifier}"
    yield (
        stream,
        a.KeyCreated(key_id=identifier, role=Role.BUILDER, secret_sha256=SHA[7:]),
    )
    yield stream, a.KeyRevoked(key_id=identifier, reason="rotated")
