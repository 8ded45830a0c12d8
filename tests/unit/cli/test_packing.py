"""A build context is the same bytes wherever and whenever it is packed."""

import os
import tarfile
from pathlib import Path

import click
import pytest

from api.cli.packing import describe, pack_context


def a_context(root: Path, *, umask_bits: int = 0) -> Path:
    root.mkdir()
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / ".dockerignore").write_text("# comment\n*.log\n!kept.log\nsecret\n")
    (root / "dropped.log").write_text("x")
    (root / "kept.log").write_text("x")
    (root / "secret").mkdir()
    (root / "secret" / "key").write_text("x")
    (root / "src").mkdir()
    (root / "src" / "run").write_text("#!/bin/sh\n")
    (root / "src" / "run").chmod(0o755 & ~umask_bits)
    (root / "src" / "link").symlink_to("run")
    os.link(root / "src" / "run", root / "src" / "twin")
    return root


def names_in(path: Path) -> set[str]:
    with tarfile.open(path) as tar:
        return set(tar.getnames())


def test_what_dockerignore_names_stays_here(tmp_path: Path) -> None:
    packed = pack_context(a_context(tmp_path / "c"), "Dockerfile", tmp_path)
    names = names_in(packed.path)
    assert {"Dockerfile", "kept.log", "src/run", "src/link", "src/twin"} <= names
    assert not {"dropped.log", "secret", "secret/key"} & names


def test_times_owners_and_umask_change_nothing(tmp_path: Path) -> None:
    one = a_context(tmp_path / "one")
    other = a_context(tmp_path / "other", umask_bits=0o077)
    os.utime(other / "kept.log", (1, 1))
    digests = {pack_context(each, "Dockerfile", tmp_path).digest for each in (one, other)}
    assert len(digests) == 1


def test_a_changed_byte_changes_the_digest(tmp_path: Path) -> None:
    one, other = a_context(tmp_path / "one"), a_context(tmp_path / "other")
    (other / "kept.log").write_text("y")
    digests = {pack_context(each, "Dockerfile", tmp_path).digest for each in (one, other)}
    assert len(digests) == 2


def test_links_stay_links_and_twins_keep_their_content(tmp_path: Path) -> None:
    packed = pack_context(a_context(tmp_path / "c"), "Dockerfile", tmp_path)
    with tarfile.open(packed.path) as tar:
        assert tar.getmember("src/link").linkname == "run"
        twin = tar.extractfile("src/twin")
        assert twin is not None
        assert twin.read() == b"#!/bin/sh\n"


def test_a_context_without_its_dockerfile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="has no Containerfile"):
        pack_context(a_context(tmp_path / "c"), "Containerfile", tmp_path)


def test_a_file_is_described_by_its_digest(tmp_path: Path) -> None:
    file = tmp_path / "hello.spec"
    file.write_bytes(b"hello")
    assert describe(file).digest == (
        "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    )
