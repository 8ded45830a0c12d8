"""The command line against a whole service on this machine."""

import fcntl
import json
import os
import signal
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli import exits
from tests.acceptance.cli_support import (
    DEADLINE_SECONDS,
    Started,
    a_service,
    stop,
    wait_for_words,
)
from tests.support.docker import base_image


@pytest.fixture(scope="module")
def service() -> Iterator[Started]:
    with a_service() as started:
        yield started


def test_on_the_machine_itself_nothing_needs_to_be_configured(service: Started) -> None:
    key = service.json("keys", "list")
    assert (key["role"], key["created_by"]) == ("admin", "system:bootstrap")


def test_the_kept_admin_key_is_closed_to_others(service: Started) -> None:
    assert (service.data_dir / "admin.key").stat().st_mode & 0o777 == 0o600


def test_a_second_service_on_the_same_data_is_refused(service: Started) -> None:
    result = service.run("up", "--once", "--port", "1")
    assert result.returncode == exits.REFUSED
    assert "is in use by process" in result.stderr


def test_a_container_gives_its_streams_and_its_exit_code(service: Started) -> None:
    script = "echo to stdout; echo to stderr >&2; exit 7"
    result = service.run(
        "container", "run", "--name", "seven", "--follow", base_image(), "sh", "-c", script
    )
    assert (result.returncode, result.stdout) == (7, "to stdout\n"), result.stderr
    assert "to stderr\n" in result.stderr
    assert service.run("container", "remove", "seven").returncode == 0


def test_a_refused_command_says_why_and_is_audited(service: Started) -> None:
    created = service.json("keys", "create", "--role", "viewer")
    assert service.run("keys", "revoke", created["id"]).returncode == 0
    again = service.run("keys", "revoke", created["id"])
    assert again.returncode == 65
    assert "revoked already" in again.stderr
    audited = service.run("audit", "--outcome", "refused", "--json").stdout.splitlines()
    assert json.loads(audited[0])["target"] == f"key-{created['id']}"


def test_an_unknown_key_is_not_let_in(service: Started) -> None:
    result = service.run("build", "list", "--key", f"em_nobody_{'0' * 64}")
    assert result.returncode == 77


def test_events_are_told_from_any_position_on(service: Started) -> None:
    with service.open("events", "tail", "--from", "0", "--json") as tail:
        assert tail.stdout is not None
        first = [json.loads(tail.stdout.readline())["position"] for _ in range(2)]
        tail.send_signal(signal.SIGINT)
        assert tail.wait(DEADLINE_SECONDS) == 130
    assert first == [1, 2]


def test_an_interrupt_ends_a_command_whose_output_nobody_reads(service: Started) -> None:
    for _ in range(10):  # more events than the pipe holds
        service.json("keys", "create", "--role", "viewer")
    with service.open("events", "tail", "--from", "0", "--json") as tail:
        assert tail.stdout is not None
        pipe = tail.stdout.fileno()
        size = fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while unread(pipe) < size // 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        tail.send_signal(signal.SIGINT)
        assert tail.wait(DEADLINE_SECONDS) == 130


def unread(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_events_that_nobody_recorded_yet_are_refused_in_words(service: Started) -> None:
    result = service.run("events", "tail", "--from", "99999999")
    assert result.returncode == 65
    assert "has not reached position 99999999" in result.stderr


def test_a_build_that_cannot_be_parsed_fails_with_its_reason(
    service: Started, tmp_path: Path
) -> None:
    dockerfile = tmp_path / "context" / "Dockerfile"
    dockerfile.parent.mkdir()
    dockerfile.write_text(f"FROM {base_image()}\nRUN echo it will fail && exit 3\n")
    result = service.run("build", "submit", "--image", dockerfile.parent, "--follow")
    assert result.returncode == 1, result.stderr
    assert "it will fail" in result.stdout + result.stderr
    assert "the package's fault" in result.stdout
    fetched = service.run("build", "fetch", "context", tmp_path / "made")
    assert fetched.returncode == 65
    assert "failed: there is nothing to fetch" in fetched.stderr


def test_a_killed_role_is_started_again(service: Started) -> None:
    killed = service.roles()["serve"]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while service.roles().get("serve", killed) == killed:
        assert time.monotonic() < deadline
    while service.run("projections", "list").returncode != 0:
        assert time.monotonic() < deadline


def test_the_secret_of_a_removed_container_is_erased_and_its_history_says_so(
    service: Started,
) -> None:
    started = service.run(
        *("container", "run", "--name", "keeper", "--secret", "PASSWORD", base_image()),
        *("sleep", "600"),
        stdin="correct horse\n",
    )
    assert (started.returncode, started.stderr) == (0, "")
    refused = service.run("container", "remove", "keeper")
    assert "Stop it first, or add --force." in refused.stderr
    assert service.run("container", "remove", "keeper", "--force").returncode == 0
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not service.json("container", "show", "keeper")["value"]["secrets_erased"]:
        assert time.monotonic() < deadline
    rotated = service.json("secrets", "rotate")
    assert (rotated["rewrapped"], len(rotated["retired"])) == (0, 1)


def test_a_restored_log_is_whole_and_says_where_it_forked(service: Started, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.json"
    assert service.run("checkpoint", checkpoint).returncode == 0
    kept = checkpoint.read_bytes()
    assert service.run("checkpoint", checkpoint).returncode == 73
    assert checkpoint.read_bytes() == kept
    manifest = service.json("backup", tmp_path / "backup")
    other = service.data_dir.with_name("restored")
    restored = service.run("restore", tmp_path / "backup", "--data-dir", other)
    assert restored.returncode == 0, restored.stderr
    forked = manifest["database"]["head"]["position"]
    assert f"says that this log forked at {forked}" in restored.stdout
    verified = service.run("verify", "--data-dir", other, "--checkpoint", checkpoint)
    assert verified.returncode == 0, verified.stdout
    position = json.loads(kept)["position"]
    assert f"the log of the checkpoint at position {position}" in verified.stdout
    again = service.run("restore", tmp_path / "backup", "--data-dir", other)
    assert "holds a log already" in again.stderr
    assert service.run("checkpoint", checkpoint, "--force").returncode == 0
    assert checkpoint.read_bytes() != kept


def test_the_log_is_verified_while_the_service_runs(service: Started, tmp_path: Path) -> None:
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps({"position": 1, "chain": "00" * 32}))
    assert service.run("verify").returncode == 0
    result = service.run("verify", "--checkpoint", forged)
    assert result.returncode == 1
    assert "Bad at position 1 or before it (rewritten)" in result.stdout
    assert "or the checkpoint is of another service" in result.stdout
    assert "Good up to" not in result.stdout


def test_doctor_finds_nothing_wrong(service: Started) -> None:
    findings = [json.loads(line) for line in service.run("doctor", "--json").stdout.splitlines()]
    assert [each for each in findings if each["verdict"] == "bad"] == []
    assert {"PostgreSQL", "Redis", "Docker"} <= {each["part"] for each in findings}


def test_a_start_says_that_the_kept_admin_key_is_revoked_and_makes_another_one() -> None:
    with a_service() as started:
        kept = started.data_dir / "admin.key"
        first = started.json("keys", "list")
        other = started.json("keys", "create", "--role", "admin")["token"]
        assert started.run("keys", "revoke", first["key_id"], "--key", other).returncode == 0
        process = _running(started)
        os.kill(process, signal.SIGTERM)
        wait_until_gone(process)
        for words in ("does not accept the admin key", "Your admin key, shown this once"):
            started.said.write_text("")
            again = started.start()
            try:
                wait_for_words(started, again, "Ctrl-C stops the service")
                assert words in started.said.read_text()
            finally:
                assert stop(again) == 0
            kept.rename(kept.with_suffix(".old"))


def test_a_stop_loses_nothing_and_leaves_no_process() -> None:
    with a_service() as started:
        before = started.json("checkpoint")["position"]
        # The context stops it; here it is stopped and started as a user does it.
        process = _running(started)
        os.kill(process, signal.SIGTERM)
        wait_until_gone(process)
        assert started.roles() == {}
        second = started.start()
        try:
            started.said.write_text("")
            wait_for_words(started, second, "Ctrl-C stops the service")
            assert started.json("checkpoint")["position"] >= before
        finally:
            assert stop(second) == 0


def test_roles_do_not_outlive_a_killed_supervisor() -> None:
    with a_service() as started:
        os.kill(_running(started), signal.SIGKILL)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while started.roles():
            assert time.monotonic() < deadline
        again = started.start()
        started.said.write_text("")
        wait_for_words(started, again, "Ctrl-C stops the service")
        assert stop(again) == 0


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while Path(f"/proc/{process}").exists() and not _is_zombie(process):
        assert time.monotonic() < deadline


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _running(started: Started) -> int:
    return int((started.data_dir / "up.lock").read_text())
