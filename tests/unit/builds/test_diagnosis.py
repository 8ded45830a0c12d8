"""Why a build failed, from what rpmbuild, gcc, make, dnf and curl really print."""
# ruff: noqa: RUF001 - gcc quotes names with these

import asyncio
from collections.abc import AsyncGenerator

import pytest

from adapters.memory.log_store import InMemoryLogStore
from api.workers.log_follower import LogFollower, LogLimits
from domain.builds import events as e
from domain.builds.diagnosis import Diagnosis, diagnose
from domain.builds.events import Step, StepLog
from domain.ports import LogFrame
from tests.support.builds import CANCEL, SUBMIT, UNDER_WAY, began, ended, events_of, stopped

COMPILE_ERROR = """\
Executing(%build): /bin/sh -e /var/tmp/rpm-tmp.Vj3Zto
+ umask 022
+ make -j2
cc -o hello hello.c
hello.c: In function ‘main’:
hello.c:1:25: error: ‘undeclared’ undeclared (first use in this function)
    1 | int main(void) { return undeclared; }
      |                         ^~~~~~~~~~
make: *** [Makefile:2: hello] Error 1
error: Bad exit status from /var/tmp/rpm-tmp.Vj3Zto (%build)

RPM build errors:
    Bad exit status from /var/tmp/rpm-tmp.Vj3Zto (%build)
"""
LINK_ERROR = """\
+ ls /nonexistent
ls: cannot access '/nonexistent': No such file or directory
+ gcc a.c -o a
/usr/bin/ld: /tmp/ccIJzHXC.o: in function `main':
a.c:(.text+0x5): undefined reference to `f'
collect2: error: ld returned 1 exit status
error: Bad exit status from /var/tmp/rpm-tmp.cKlT3S (%build)
"""
MISSING = """\
error: Failed build dependencies:
\t(baz or qux) is needed by missing-1-1.x86_64
\tfoo-devel >= 2 is needed by missing-1-1.x86_64
\tpkgconfig(bar) is needed by missing-1-1.x86_64
"""
CHECK_FAILS = """\
ls: cannot access '/nonexistent': No such file or directory
Executing(%check): /bin/sh -e /var/tmp/rpm-tmp.Bmh9aG
+ echo 'PASS: one'
PASS: one
+ echo 'FAIL: two'
FAIL: two
+ exit 1
error: Bad exit status from /var/tmp/rpm-tmp.Bmh9aG (%check)

RPM build errors:
    Bad exit status from /var/tmp/rpm-tmp.Bmh9aG (%check)
"""
CHECK_SAYS_NOTHING = """\
Executing(%check): /bin/sh -e /var/tmp/rpm-tmp.Bmh9aG
+ test 1 = 2
error: Bad exit status from /var/tmp/rpm-tmp.Bmh9aG (%check)

RPM build errors:
    Bad exit status from /var/tmp/rpm-tmp.Bmh9aG (%check)
"""
NO_PROGRAM = """\
+ autoreconf-nope -fi
/var/tmp/rpm-tmp.uVeqJu: line 28: autoreconf-nope: command not found
error: Bad exit status from /var/tmp/rpm-tmp.uVeqJu (%build)
"""
UNPACKAGED = """\
Checking for unpackaged file(s): /usr/lib/rpm/check-files /build/BUILDROOT/unpackaged-1-1.x86_64
error: Installed (but unpackaged) file(s) found:
   /usr/x

RPM build errors:
    Installed (but unpackaged) file(s) found:
   /usr/x
"""
NO_SOURCE = """\
error: File /build/SOURCES/gone.tar.gz: No such file or directory
error: Bad exit status from /var/tmp/rpm-tmp.vKxZ46 (%prep)
"""
DOWNLOADS = """\
+ curl -O https://example.invalid/x
curl: (6) Could not resolve host: example.invalid
error: Bad exit status from /var/tmp/rpm-tmp.vKxZ46 (%build)
"""
NO_MATCH = """\
Last metadata expiration check: 0:00:01 ago on Sun Mar  1 12:00:00 2026.
No match for argument: foo-devel >= 2
No match for argument: pkgconfig(bar)
Error: Unable to find a match: foo-devel >= 2 pkgconfig(bar)
"""
NETWORK_DOWN = """\
Errors during downloading metadata for repository 'main':
  - Curl error (6): Couldn't resolve host name for https://repo.example/repodata/repomd.xml
Error: Failed to download metadata for repo 'main': Cannot download repomd.xml
No match for argument: foo-devel
"""
DISK_FULL = "cc1: fatal error: error writing to /tmp/x.s: No space left on device\n"


def kept(text: str) -> StepLog:
    """The log as it is kept of a step that wrote this."""

    async def frames() -> AsyncGenerator[LogFrame]:
        yield LogFrame(stream="stdout", data=text.encode())

    async def follow() -> StepLog:
        follower = LogFollower(
            logs=InMemoryLogStore(),
            tenant="default",
            subject="s",
            limits=LogLimits(max_bytes=1_000_000),
        )
        return await follower.follow(frames())

    return asyncio.run(follow())


def diagnosed(
    step: Step, text: str, *, exit_code: int = 1, out_of_memory: bool = False
) -> Diagnosis:
    return diagnose(step, exit_code, kept(text), out_of_memory=out_of_memory, memory_bytes=2**30)


@pytest.mark.parametrize(
    ("text", "phase", "reason"),
    [
        (COMPILE_ERROR, "%build", "%build failed: hello.c:1:25: error: ‘undeclared’ undeclared"),
        (LINK_ERROR, "%build", "%build failed: a.c:(.text+0x5): undefined reference to `f'"),
        (CHECK_FAILS, "%check", "%check failed: FAIL: two"),
        (CHECK_SAYS_NOTHING, "%check", "%check failed: + test 1 = 2"),
        (NO_PROGRAM, "%build", "line 28: autoreconf-nope: command not found"),
        (UNPACKAGED, "", "rpmbuild failed: Installed (but unpackaged) file(s) found:"),
        (NO_SOURCE, "%prep", "%prep failed: File /build/SOURCES/gone.tar.gz: No such file"),
        (DOWNLOADS, "%build", "Builds have no network: add the file to the sources."),
        ("", "", "rpmbuild failed: no output"),
        ("it just did not work\n", "", "rpmbuild failed: it just did not work"),
    ],
)
def test_the_users_fault_names_the_phase_and_the_line_that_matters(
    text: str, phase: str, reason: str
) -> None:
    found = diagnosed(Step.RPMBUILD, text)
    assert found.user_fault
    assert found.phase == phase
    assert reason in found.reason


def test_missing_build_requirements_are_named() -> None:
    found = diagnosed(Step.RPMBUILD, MISSING, exit_code=11)
    assert found.user_fault
    assert found.unresolved == ("(baz or qux)", "foo-devel >= 2", "pkgconfig(bar)")
    assert "foo-devel >= 2" in found.reason


def test_build_requirements_that_no_repository_has_are_named_once() -> None:
    found = diagnosed(Step.PREPARE, NO_MATCH)
    assert found.user_fault
    assert found.unresolved == ("foo-devel >= 2", "pkgconfig(bar)")


def test_what_we_need_ourselves_is_not_the_users_fault() -> None:
    found = diagnosed(Step.TOOLCHAIN, NO_MATCH)
    assert (found.user_fault, found.retryable, found.unresolved) == (False, True, ())


@pytest.mark.parametrize("step", [Step.TOOLCHAIN, Step.PREPARE, Step.IMAGE])
def test_a_network_that_fails_is_the_systems_fault(step: Step) -> None:
    found = diagnosed(step, NETWORK_DOWN)
    assert (found.user_fault, found.retryable, found.unresolved) == (False, True, ())
    assert "Curl error (6)" in found.reason


@pytest.mark.parametrize("step", Step)
def test_a_full_disk_is_the_systems_fault(step: Step) -> None:
    found = diagnosed(step, DISK_FULL)
    assert (found.user_fault, found.retryable) == (False, True)
    assert "No space left on device" in found.reason


def test_a_full_disk_of_the_engine_is_the_systems_fault() -> None:
    said = "error: Error processing tar file(exit status 1): write /big: no space left on device\n"
    found = diagnosed(Step.IMAGE, said)
    assert (found.user_fault, found.retryable) == (False, True)


def test_a_full_disk_is_found_above_what_make_and_rpmbuild_say_of_it() -> None:
    found = diagnosed(Step.RPMBUILD, DISK_FULL + COMPILE_ERROR.partition("^\n")[2])
    assert (found.user_fault, found.retryable) == (False, True)


def test_a_full_disk_that_the_build_lived_with_is_not_what_ended_it() -> None:
    found = diagnosed(Step.RPMBUILD, DISK_FULL + COMPILE_ERROR)
    assert (found.user_fault, found.phase) == (True, "%build")


def test_a_check_that_fails_at_a_full_disk_of_its_own_making_is_the_users_fault() -> None:
    text = CHECK_FAILS.replace("FAIL: two\n+", "FAIL: two: No space left on device\n+")
    found = diagnosed(Step.RPMBUILD, text)
    assert (found.user_fault, found.retryable, found.phase) == (True, False, "%check")


@pytest.mark.parametrize("exit_code", [137, 143])
def test_a_step_killed_from_outside_is_the_systems_fault(exit_code: int) -> None:
    found = diagnosed(Step.RPMBUILD, COMPILE_ERROR[:90], exit_code=exit_code)
    assert (found.user_fault, found.retryable) == (False, True)
    assert "killed" in found.reason


def test_a_step_whose_end_the_engine_did_not_see_is_the_systems_fault() -> None:
    found = diagnosed(Step.RESOLVE, "", exit_code=255)
    assert (found.user_fault, found.retryable) == (False, True)
    assert "The engine was away" in found.reason


def test_a_command_of_an_image_that_ends_with_255_is_the_users_fault() -> None:
    text = "error: The command '/bin/sh -c exit 255' returned a non-zero code: 255\n"
    found = diagnosed(Step.IMAGE, text, exit_code=255)
    assert found.user_fault


@pytest.mark.parametrize("exit_code", [137, 143])
def test_a_command_of_an_image_that_dies_of_a_signal_is_the_users_fault(exit_code: int) -> None:
    said = f"The command '/bin/sh -c python3 big.py' returned a non-zero code: {exit_code}"
    found = diagnosed(Step.IMAGE, f"error: {said}\n", exit_code=exit_code)
    assert (found.user_fault, found.retryable) == (True, False)
    assert said in found.reason
    assert ("more than its 1024 MiB of memory" in found.reason) == (exit_code == 137)


def test_too_little_memory_says_which_limit_to_raise() -> None:
    found = diagnosed(Step.RPMBUILD, "", exit_code=137, out_of_memory=True)
    assert found.user_fault
    assert "1024 MiB" in found.reason
    assert "limits.memory_bytes" in found.reason


def test_a_step_that_crashes_names_its_signal() -> None:
    assert "died of signal 11" in diagnosed(Step.RPMBUILD, "", exit_code=139).reason


def test_a_failed_build_carries_what_its_user_needs() -> None:
    log = kept(CHECK_FAILS)
    report = ended(Step.RPMBUILD, exit_code=1, tail=log.tail, errors=log.errors)
    finished, failed = events_of(*UNDER_WAY, report)[-2:]
    assert isinstance(finished, e.BuildStepFinished)
    assert isinstance(failed, e.BuildFailed)
    assert (failed.step, failed.exit_code, failed.phase) == (Step.RPMBUILD, 1, "%check")
    assert failed.log_tail[-1] == "    Bad exit status from /var/tmp/rpm-tmp.Bmh9aG (%check)"


def test_a_build_that_lacks_its_network_may_be_tried_again() -> None:
    log = kept(NETWORK_DOWN)
    report = ended(Step.TOOLCHAIN, exit_code=1, tail=log.tail, errors=log.errors)
    *_, errored = events_of(SUBMIT, began(Step.TOOLCHAIN), report)
    assert isinstance(errored, e.BuildErrored)
    assert (errored.retryable, errored.step, errored.exit_code) == (True, Step.TOOLCHAIN, 1)
    assert errored.log_tail == log.tail


def test_a_build_that_ran_out_of_memory_failed_even_where_its_exit_code_denies_it() -> None:
    *_, failed = events_of(*UNDER_WAY, ended(Step.RPMBUILD, out_of_memory=True))
    assert isinstance(failed, e.BuildFailed)


def test_a_step_killed_because_we_stop_the_build_is_no_failure() -> None:
    killed = ended(Step.RPMBUILD, exit_code=137)
    *_, last = events_of(*UNDER_WAY, CANCEL, killed, stopped())
    assert isinstance(last, e.BuildCancelled)
