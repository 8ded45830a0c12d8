"""How an RPM is built: the same words for the container that does it and for the Dockerfile that
repeats it. Everything that could differ from run to run is pinned here.

Macros: rpm's own documentation of reproducible builds (`_buildhost`, `SOURCE_DATE_EPOCH`); the
payload is pinned because its default differs between distributions and may use threads.
"""

import hashlib
import re
import shlex

from domain.builds.events import Requirements, Step
from domain.builds.spec import BuildSpec, RpmSource

TOPDIR = "/build"
OUT = f"{TOPDIR}/out"
BUILDER_UID = 1000
BUILDER = "builder"
PACKAGES_FILE = "/var/lib/eulermaker/packages"
NO_CHANGELOG_EPOCH = 315_532_800  # 1980-01-01: the oldest time that every archive format can hold
FAILED_BUILD_DEPENDENCIES = 11  # rpmbuild's exit status

TOOLCHAIN_PACKAGES = (
    "rpm-build", "gcc", "make", "diffutils", "file", "findutils", "gawk", "patch", "tar", "gzip",
    "xz", "bzip2", "shadow-utils",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_.+~^-]+")
_REQUIREMENT = re.compile(r"[A-Za-z0-9_/(%][^\x00-\x1f]*")
_MAX_EPOCH = 4_102_444_800
_TOOLS = ("rpmbuild", "gcc", "make", "patch", "tar")

ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID", "SYS_CHROOT")
"""What a package manager needs to unpack files for their owners; rpmbuild itself gets none."""


def defines(spec: BuildSpec) -> tuple[str, ...]:
    processors = max(1, spec.limits.cpu_millis // 1000)
    values = {
        "_topdir": TOPDIR,
        "_buildhost": "reproducible",
        "_smp_build_ncpus": str(processors),
        "_binary_payload": "w6.xzdio",
        "_source_payload": "w6.xzdio",
        "use_source_date_epoch_as_buildtime": "1",
        "clamp_mtime_to_source_date_epoch": "1",
        "build_mtime_policy": "clamp_to_source_date_epoch",
        "source_date_epoch_from_changelog": "0",
    }
    return tuple(word for item in values.items() for word in ("--define", " ".join(item)))


def environment(source_date_epoch: int) -> dict[str, str]:
    return {
        "HOME": f"/home/{BUILDER}",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(source_date_epoch),
        "TZ": "UTC",
    }


def rpmbuild_command(spec: BuildSpec) -> tuple[str, ...]:
    return ("rpmbuild", "-ba", *defines(spec), _spec_path(spec))


def toolchain_script() -> str:
    present = " && ".join(f"command -v {tool} >/dev/null" for tool in _TOOLS)
    return f"""set -eu
if ! ({present}); then
  dnf -y --setopt=install_weak_deps=False install {" ".join(TOOLCHAIN_PACKAGES)}
fi
id {BUILDER} >/dev/null 2>&1 || useradd --create-home --uid {BUILDER_UID} {BUILDER}
cd / && mkdir -p {TOPDIR} && cd {TOPDIR}
mkdir -p BUILD BUILDROOT RPMS SRPMS SOURCES SPECS out
chown {BUILDER}:{BUILDER} . BUILD BUILDROOT RPMS SRPMS SOURCES SPECS out
{_list_packages()}"""


def prepare_script(missing: tuple[str, ...]) -> str:
    """Where no repository is enabled dnf names no package, so we do."""
    wanted = " ".join(shlex.quote(name) for name in missing)
    return f"""set -eu
if [ -z "$(dnf -q repolist --enabled)" ]; then
  printf 'No match for argument: %s\\n' {wanted} >&2
  exit 1
fi
dnf -y --setopt=install_weak_deps=False install {wanted}
dnf -q clean all
{_list_packages()}"""


def _list_packages() -> str:
    folder = PACKAGES_FILE.rpartition("/")[0]
    query = r"rpm -qa --qf '%{NEVRA} %{SHA256HEADER}\n'"
    return f"mkdir -p {folder}\n{query} | LC_ALL=C sort > {PACKAGES_FILE}\n"


def resolve_script(spec: BuildSpec) -> str:
    """Writes what the spec says into /build/out; fails where rpm cannot read it.

    A spec that generates BuildRequires has to run its %prep for it; any other is only read. The
    check wraps all sources into a package that nobody wants, so that is not compressed. What it
    says stands elsewhere: a %prep may list every file of its sources.
    """
    words = " ".join(shlex.quote(word) for word in defines(spec))
    path = shlex.quote(_spec_path(spec))
    uncompressed = "--define '_source_payload w0.ufdio'"
    return f"""set -u
rpmspec -q --srpm --qf '%{{NAME}}\\t%{{VERSION}}\\t%{{RELEASE}}\\t%{{CHANGELOGTIME}}\\n' \
{words} {path} > out/package || exit
rpmspec -q --buildrequires {words} {path} > out/requires || exit
: > out/missing
if grep -q '^%generate_buildrequires' {path}; then
  echo yes > out/generated
else
  echo no > out/generated
fi
rpmbuild -br {words} {uncompressed} {path} > check.log 2>&1
code=$?
case $code in
  0|{FAILED_BUILD_DEPENDENCIES}) ;;
  *) cat check.log >&2; exit $code ;;
esac
for source in SRPMS/*.rpm; do
  [ -e "$source" ] && rpm -qp --requires "$source" | grep -v '^rpmlib(' >> out/requires
done
[ $code -eq 0 ] && exit 0
sed -n 's/^\\t\\(.*\\) is needed by .*$/\\1/p' check.log > out/missing
cat check.log
"""


def read_requirements(spec: BuildSpec, files: dict[str, str]) -> Requirements:
    """Decode what `resolve_script` wrote; `files` by name. Raises ValueError when it cannot be."""
    *names, changelog = files["package"].strip().split("\t")
    package, version, release = (_safe(name, _NAME) for name in names)
    source = spec.source
    epoch = source.source_date_epoch if isinstance(source, RpmSource) else None
    if epoch is None:
        epoch = int(changelog) if changelog.isdecimal() else NO_CHANGELOG_EPOCH
    if not 0 <= epoch <= _MAX_EPOCH:
        raise ValueError(f"{epoch} is no time that a package can have")
    missing = tuple(_safe(name, _REQUIREMENT) for name in _lines(files["missing"]))
    return Requirements(
        package=package,
        version=version,
        release=release,
        source_date_epoch=epoch,
        requires=_lines(files["requires"]),
        missing=missing,
        final=files["generated"].strip() == "no" or not missing,
    )


def _safe(text: str, allowed: re.Pattern[str]) -> str:
    """What a spec says becomes part of a Dockerfile and of what root asks a package manager for:
    it must not be an option, an address to fetch from, or a line of its own."""
    if allowed.fullmatch(text) is None or "://" in text:
        raise ValueError(f"{text!r} is no name that rpm would give")
    return text


def _lines(text: str) -> tuple[str, ...]:
    return tuple(sorted({line.strip() for line in text.splitlines() if line.strip()}))


def root_key(
    step: Step,
    *,
    parent_image_id: str,
    architecture: str,
    snapshot: str,
    missing: tuple[str, ...] = (),
) -> str:
    """SHA-256 over all that decides what is in a build root; equal keys may share an image.

    snapshot: names the state of the package repositories that the root is filled from.
    """
    script = toolchain_script() if step is Step.TOOLCHAIN else prepare_script(missing)
    parts = (step, parent_image_id, architecture, snapshot, script)
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def root_tag(step: Step, key: str) -> str:
    name = "toolchain" if step is Step.TOOLCHAIN else "deps"
    return f"eulermaker/{name}:{key[:32]}"


def dockerfile(
    spec: BuildSpec, *, base_image: str, base_image_id: str, requirements: Requirements
) -> str:
    """The whole build as a file that `docker build` repeats, with the same RPMs as result.

    The context holds SPECS/ and SOURCES/ with the submitted files.
    """
    epoch = requirements.source_date_epoch
    variables = " ".join(f"{name}={value}" for name, value in environment(epoch).items())
    command = " ".join(shlex.quote(word) for word in rpmbuild_command(spec))
    prepare = _run(prepare_script(requirements.missing)) if requirements.missing else ""
    return f"""\
# {requirements.package} {requirements.version}-{requirements.release}
# The base image was {base_image_id}.
# The context needs SPECS/ and SOURCES/ with the submitted files. The packages are in the
# last image: docker build --target artifacts .
ARG BASE_IMAGE={base_image}
FROM ${{BASE_IMAGE}} AS toolchain
USER root
{_run(toolchain_script())}
FROM toolchain AS deps
{prepare}
FROM deps AS rpmbuild
COPY SPECS {TOPDIR}/SPECS
COPY SOURCES {TOPDIR}/SOURCES
RUN cd {TOPDIR} && find SPECS SOURCES -type f -exec chmod 0644 {{}} + \\
 && chown -R {BUILDER}:{BUILDER} SPECS SOURCES \\
 && find SPECS SOURCES -type f -exec touch -d @{epoch} {{}} +
USER {BUILDER}
WORKDIR {TOPDIR}
ENV {variables}
RUN {command}

FROM scratch AS artifacts
COPY --from=rpmbuild {TOPDIR}/RPMS /RPMS
COPY --from=rpmbuild {TOPDIR}/SRPMS /SRPMS
"""


def _run(script: str) -> str:
    """A RUN that gives the script to the shell as one argument: no heredoc, so any builder can."""
    quoted = shlex.quote(script.strip()).replace("\\", "\\\\").replace("\n", "\\n")
    return f'RUN sh -c "$(printf %b {quoted})"\n'


def _spec_path(spec: BuildSpec) -> str:
    source = spec.source
    if not isinstance(source, RpmSource):
        raise TypeError("Only an RPM build has a spec file")
    return f"SPECS/{source.spec.name}"
