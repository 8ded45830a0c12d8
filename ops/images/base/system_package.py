"""Tells rpm what this image holds.

Builds and installs one RPM without files. It provides the names, shared libraries, modules and
programs of the Debian packages that are really there, in the forms that RPM packages ask for.
No epochs: Debian's have nothing to do with those of specs, and would satisfy any `gcc >= 99`.
"""

import platform
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

ALIASES = Path(__file__).with_name("aliases")
LIBRARIES = Path("/usr/lib")
PROGRAMS = (Path("/usr/bin"), Path("/usr/sbin"))
DYNAMIC_LOADER = Path("/lib64/ld-linux-x86-64.so.2")
RPM_TOOLS = Path("/usr/lib/rpm")


def main() -> None:
    provided = sorted({*packages(), *shared_libraries(), *modules(), *programs()})
    with tempfile.TemporaryDirectory() as directory:
        spec = Path(directory, "debian-system.spec")
        spec.write_text(specification(provided))
        run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {directory}", str(spec))
        run("rpm", "--install", *map(str, Path(directory).glob("RPMS/*/*.rpm")))
    print(f"rpm knows {len(provided)} things that this image provides")


def specification(provided: list[str]) -> str:
    release = platform.freedesktop_os_release()
    return "\n".join(
        (
            "Name: debian-system",
            f"Version: {release['VERSION_ID']}",
            "Release: 1",
            "Summary: What the Debian packages of this image provide",
            "License: various",
            # dnf takes the value of $releasever from here.
            f"Provides: system-release(releasever) = {release['VERSION_ID']}",
            *(f"Provides: {name}" for name in provided),
            "%description",
            "%{summary}.",
            "%files",
        ),
    )


def packages() -> Iterator[str]:
    """Every installed package, what it provides, and the names that RPM distributions give it."""
    aliases = {name: also.split() for name, also in table(ALIASES)}
    template = "${db:Status-Status}|${Package}|${Version}|${Architecture}|${Provides}\n"
    for line in run("dpkg-query", "--show", f"--showformat={template}").splitlines():
        status, name, version, architecture, virtual = line.split("|")
        if status != "installed":
            continue
        for known_as in (name, *aliases.get(name, ())):
            yield f"{known_as} = {rpm_version(version)}"
            if architecture != "all":
                yield f"{known_as}(x86-64) = {rpm_version(version)}"
        yield from (entry.split()[0] for entry in virtual.split(", ") if entry)


def rpm_version(version: str) -> str:
    without_epoch = version.split(":", 1)[-1]
    upstream, dash, revision = without_epoch.rpartition("-")
    return upstream.replace("-", ".") + dash + revision


def shared_libraries() -> Iterator[str]:
    """By rpm's own generator, asked directly: rpmdeps skips files without the executable bit."""
    files = (file for file in LIBRARIES.rglob("*.so*") if is_elf(file))
    yield from run(str(RPM_TOOLS / "elfdeps"), "--provides", files=files).splitlines()
    if DYNAMIC_LOADER.exists():
        yield "rtld(GNU_HASH)"


def is_elf(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def modules() -> Iterator[str]:
    """pkgconfig(…), perl(…)."""
    files = (file for pattern in ("*.pc", "*.pm") for file in Path("/usr").rglob(pattern))
    yield from run(str(RPM_TOOLS / "rpmdeps"), "--provides", files=files).splitlines()


def programs() -> Iterator[str]:
    """/bin is a link to /usr/bin: packages ask by either path."""
    for directory in PROGRAMS:
        for program in directory.iterdir():
            yield str(program)
            yield str(program).removeprefix("/usr")


def table(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        name, colon, values = line.partition(":")
        if colon and not line.startswith("#"):
            yield name, values


def run(*command: str, files: Iterator[Path] | None = None) -> str:
    names = "".join(f"{file}\n" for file in files) if files else None
    # S603: the commands are the constants above.
    finished = subprocess.run(command, check=True, text=True, input=names, stdout=subprocess.PIPE)  # noqa: S603
    return finished.stdout


if __name__ == "__main__":
    main()
