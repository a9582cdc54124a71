"""Distributions: found by what a user writes, read once, never trusted."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.archive.contents import METADATA_LIMIT
from entrypoint.distribution import Collection, Distribution, collect, read, releases
from entrypoint.errors import DistributionError
from tests.distributions import corrupted, duplicated, emptied, make_sdist, make_wheel, prefixed, truncated
from tests.plans import GENERIC


def shown(collection: Collection) -> list[str]:
    """Give the paths that were found, as a user writes them."""
    return [each.shown for each in collection.found]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a workspace with two projects, a stray file and a hidden one."""
    make_wheel(tmp_path / "dist", "a")
    make_sdist(tmp_path / "dist", "a")
    make_wheel(tmp_path / "my dist", "b")
    make_wheel(tmp_path / "out" / "linux", "c")
    make_wheel(tmp_path / "out" / "mac", "d")
    (tmp_path / "dist" / "SHA256SUMS").write_text("x")
    (tmp_path / "dist" / ".gitignore").write_text("*")
    return tmp_path


A = ["dist/a-1.0-py3-none-any.whl", "dist/a-1.0.tar.gz"]
B, C, D = "my dist/b-1.0-py3-none-any.whl", "out/linux/c-1.0-py3-none-any.whl", "out/mac/d-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["dist"], A),
        (["dist/"], A),
        (["./dist"], A),
        (["dist/*"], A),
        (["dist/*.whl"], A[:1]),
        (["dist/a-1.0.tar.gz"], A[1:]),
        (["dist", "dist/*.whl", "dist/a-1.0.tar.gz"], A),
        (["dist", "my dist"], [*A, B]),
        (["out/*"], [C, D]),
        (["out/**/*.whl"], [C, D]),
        (["**/*.whl"], [A[0], B, C, D]),
    ],
)
def test_patterns(patterns: list[str], expected: list[str], workspace: Path) -> None:
    """Directories, files and globs, alone and together; what is found twice counts once."""
    found = collect(patterns, workspace)
    assert shown(found) == expected
    assert found.problems == ()


def test_absolute_paths(workspace: Path) -> None:
    """An absolute path is taken, and shown relative to the workspace where it is inside."""
    assert shown(collect([str(workspace / "dist")], workspace)) == A
    assert shown(collect([str(workspace / "dist" / "*.whl")], workspace)) == A[:1]
    assert shown(collect(["../dist"], workspace / "out")) == [str(workspace / path) for path in A]


def test_a_name_with_brackets_is_taken_literally(tmp_path: Path) -> None:
    """What is there under the very name is meant, even if it looks like a pattern."""
    make_wheel(tmp_path / "dist[1]", "a")
    assert shown(collect(["dist[1]"], tmp_path)) == ["dist[1]/a-1.0-py3-none-any.whl"]


def test_other_files_get_one_notice(workspace: Path) -> None:
    """Files that are no distributions are left alone with one notice; hidden ones without."""
    (note,) = collect(["dist"], workspace).notes
    assert note.level == "notice"
    assert "SHA256SUMS" in note.detail
    assert ".gitignore" not in note.detail


@pytest.mark.parametrize("pattern", ["nowhere", "dist/*.zip", "/nowhere/dist"])
def test_nothing_there(pattern: str, workspace: Path) -> None:
    """A path or pattern without anything behind it is an error, also beside one that is all right."""
    found = collect(["dist", pattern], workspace)
    (problem,) = found.problems
    assert pattern in problem.detail
    assert shown(found) == A
    with pytest.raises(ExceptionGroup):
        found.check()


def test_links(tmp_path: Path) -> None:
    """A link to a file is that file; one that leads nowhere is an error."""
    wheel = make_wheel(tmp_path / "built", "a")
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / wheel.name).symlink_to(wheel)
    assert shown(collect(["dist"], tmp_path)) == [f"dist/{wheel.name}"]
    (dist / "b-1-py3-none-any.whl").symlink_to(tmp_path / "gone")
    (problem,) = collect(["dist"], tmp_path).problems
    assert problem.path == "dist/b-1-py3-none-any.whl"
    assert "No such file" in problem.detail


def test_special_files(tmp_path: Path) -> None:
    """A pipe that is named like a wheel is an error, and is not waited for."""
    os.mkfifo(tmp_path / "a-1-py3-none-any.whl")
    (problem,) = collect(["."], tmp_path).problems
    assert "special file" in problem.detail


def test_a_directory_named_like_a_wheel(tmp_path: Path) -> None:
    """A directory with the name of a wheel is a mistake, whether it is named or found."""
    (tmp_path / "dist" / "a-1-py3-none-any.whl").mkdir(parents=True)
    for pattern in ("dist", "dist/a-1-py3-none-any.whl", "dist/*"):
        (problem,) = collect([pattern], tmp_path).problems
        assert "directory" in problem.detail


@pytest.mark.parametrize("name", ["demo.whl", "a-1-py3.whl", "a-x-py3-none-any.whl", "a.tar.gz", "a-.tar.gz"])
def test_misnamed(name: str, tmp_path: Path) -> None:
    """A file with the ending of a distribution and no valid name is an error, and keeps a record."""
    (tmp_path / name).write_text("x")
    found = collect(["."], tmp_path)
    assert [problem.title for problem in found.problems] == ["Not a valid file name for a distribution"]
    assert shown(found) == [name]


def test_undecodable_names(tmp_path: Path) -> None:
    """A name that is not UTF-8 is handled like any other."""
    (tmp_path / os.fsdecode(b"\xff.whl")).write_text("x")
    assert len(collect(["."], tmp_path).problems) == 1


def test_python_tags(tmp_path: Path) -> None:
    """The Python tag is that of the file name, build number or not; an sdist's is `source`."""
    for tag in ("py2.py3-none-any", "1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64"):
        make_wheel(tmp_path, tag=tag)
    make_sdist(tmp_path)
    assert {each.python_tag for each in collect(["."], tmp_path).found} == {"py2.py3", "cp313", "source"}


def test_order(tmp_path: Path) -> None:
    """Releases go by name and version; in each the smallest wheel is first and the sdist last."""
    make_sdist(tmp_path, "b")
    make_wheel(tmp_path, "b", tag="cp311-cp311-linux_x86_64", filler=5000)
    make_wheel(tmp_path, "b", tag="cp312-cp312-linux_x86_64", filler=100)
    make_wheel(tmp_path, "a", "2.0")
    make_wheel(tmp_path, "A", "1.0")
    grouped = releases(read(found, GENERIC)[0] for found in collect(["."], tmp_path).found)
    assert [(each.name, each.version) for each in grouped] == [("A", "1.0"), ("a", "2.0"), ("b", "1.0")]
    assert [file.found.python_tag for file in grouped[2].distributions] == ["cp312", "cp311", "source"]


def test_hashes(tmp_path: Path) -> None:
    """Both hashes are those of the whole file."""
    wheel = make_wheel(tmp_path, filler=3_000_000)
    (found,) = collect(["."], tmp_path).found
    distribution, contents, notes = read(found, GENERIC)
    data = wheel.read_bytes()
    assert distribution.sha256 == hashlib.sha256(data).hexdigest()
    assert distribution.blake2b_256 == hashlib.blake2b(data, digest_size=32).hexdigest()
    assert notes == []
    assert distribution.metadata_sha256 == hashlib.sha256(contents.metadata).hexdigest()
    assert found.size == len(data)


def encrypted(path: Path) -> Path:
    """Set the flag of encryption on every member."""
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := data.find(signature, start)) >= 0:
            data[start + offset] |= 1
            start += 4
    path.write_bytes(data)
    return path


def too_much_metadata(path: Path) -> Path:
    """Replace METADATA by one that unpacks to more than anybody reads."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demo_pkg-1.0.dist-info/METADATA", b"x" * (METADATA_LIMIT + 1))
    return path


@pytest.mark.parametrize("spoil", [truncated, emptied, encrypted, too_much_metadata], ids=lambda each: each.__name__)
def test_spoilt_wheels(spoil: Callable[[Path], Path], tmp_path: Path) -> None:
    """A wheel whose metadata cannot be read is one clear error with its path."""
    spoil(make_wheel(tmp_path))
    (found,) = collect(["."], tmp_path).found
    with pytest.raises(DistributionError) as caught:
        read(found, GENERIC)
    assert caught.value.path == found.shown
    assert caught.value.tip


@pytest.mark.parametrize(
    ("make", "spoil"),
    [(make, spoil) for make in (make_wheel, make_sdist) for spoil in (corrupted, prefixed, truncated)]
    + [(make_wheel, duplicated)],
    ids=lambda each: each.__name__,
)
def test_other_spoilt_archives(make: Callable[[Path], Path], spoil: Callable[[Path], Path], tmp_path: Path) -> None:
    """An archive that is broken somewhere is read or refused; nothing else happens."""
    spoil(make(tmp_path))
    _read_or_refused(tmp_path)


def test_two_metadata_files(tmp_path: Path) -> None:
    """A wheel with two METADATA files is refused: which one counts is anybody's guess."""
    make_wheel(tmp_path, extra={"other-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\n"})
    (found,) = collect(["."], tmp_path).found
    with pytest.raises(DistributionError, match="exactly one"):
        read(found, GENERIC)


def _read_or_refused(folder: Path) -> None:
    (found,) = collect(["."], folder).found
    try:
        distribution, _, _ = read(found, GENERIC)
    except DistributionError:
        return
    assert isinstance(distribution, Distribution)
