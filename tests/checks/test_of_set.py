"""Rules that hold between files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from entrypoint.index import Index
from tests.checks import GENERIC, PYPI, of_folder
from tests.distributions import Headers, make_sdist, make_wheel

INDEXES = pytest.mark.parametrize("index", [PYPI, GENERIC], ids=["pypi", "generic"])
OTHER_TAG = "cp313-cp313-win32"
WHEEL = "demo_pkg-1.0-py3-none-any.whl"
SDIST = "demo_pkg-1.0.tar.gz"


@INDEXES
def test_same_content_twice(index: Index, tmp_path: Path) -> None:
    """A copy under another name is an error, at the copy."""
    wheel = make_wheel(tmp_path)
    shutil.copy(wheel, tmp_path / "demo_pkg-1.0-py4-none-any.whl")
    (note,) = of_folder(tmp_path, index)
    assert (note.rule, note.level) == ("same-content-twice", "error")
    assert note.path == "demo_pkg-1.0-py4-none-any.whl"
    assert f"the same as {wheel.name}" in note.detail
    assert note.prevents.startswith("File already exists ('demo_pkg-1.0-py4-none-any.whl', with blake2_256 hash '") is (
        index is PYPI
    )


@INDEXES
@pytest.mark.parametrize("name", ["demo_pkg-1.0.zip", "demo-pkg-1.0.tar.gz"])
def test_two_sdists(index: Index, name: str, tmp_path: Path) -> None:
    """A version with two sdists is an error, whatever tells their names apart."""
    make_sdist(tmp_path, form="zip" if name.endswith(".zip") else "tar.gz", extra={"a": b"b"}).rename(tmp_path / name)
    make_sdist(tmp_path)
    (note,) = of_folder(tmp_path, index)
    assert (note.rule, note.level) == ("two-sdists", "error")
    assert {note.path, note.detail} == {max(name, SDIST), f"The other one is {min(name, SDIST)}."}
    assert note.prevents == ("Only one sdist may be uploaded per release." if index is PYPI else "")


@INDEXES
def test_several_releases(index: Index, tmp_path: Path) -> None:
    """Several versions or projects are named in one notice; that is no error."""
    for name, version in (("a", "1.0"), ("a", "1.1"), ("b", "1.0"), ("c", "1.0")):
        make_wheel(tmp_path, name, version)
    (note,) = of_folder(tmp_path, index)
    assert (note.rule, note.level, note.path) == ("several-releases", "notice", "a-1.1-py3-none-any.whl")
    assert note.detail == "4 releases are published: a 1.0, a 1.1, b 1.0 and 1 more."


SAID: Headers = [("Summary", "One"), ("Classifier", "A"), ("Classifier", "B"), ("Requires-Dist", "c; x == 'y'")]


@INDEXES
def test_release_that_agrees(index: Index, tmp_path: Path) -> None:
    """Files that say the same agree, in whatever order and with whatever line ends and blanks."""
    make_sdist(tmp_path, headers=SAID, description="One\ntwo\n")
    make_wheel(tmp_path, headers=SAID[::-1], description="One\r\ntwo\r\n\n")
    make_wheel(tmp_path, headers=[*SAID[:3], ("Requires-Dist", "c;x == 'y'")], description="One\ntwo", tag=OTHER_TAG)
    assert of_folder(tmp_path, index) == []


@INDEXES
def test_disagreement_with_the_sdist(index: Index, tmp_path: Path) -> None:
    """What an sdist does not call dynamic is the same in its wheels: one warning for each field that is not."""
    make_sdist(tmp_path, headers=[*SAID, ("Platform", "all")])
    for tag in ("py3-none-any", OTHER_TAG):
        make_wheel(tmp_path, headers=[("Summary", "Two"), *SAID[1:3]], description="x" * 100, tag=tag)
    notes = of_folder(tmp_path, index)
    assert {(note.rule, note.level, note.path) for note in notes} == {("agreement", "warning", WHEEL)}
    assert [note.detail for note in notes] == [
        f"Description: {SDIST} and {WHEEL} differ.",
        f"Platform: only {SDIST} has 'all'.",
        f"Requires-Dist: only {SDIST} has \"c; x == 'y'\".",
        f"Summary: only {SDIST} has 'One'; only {WHEEL} has 'Two'.",
    ]


@pytest.mark.parametrize(
    ("metadata_version", "headers", "fields"),
    [
        ("2.2", [], ["Requires-Dist"]),
        ("2.2", [("Dynamic", "requires-dist")], []),
        ("2.1", [], []),
    ],
)
def test_promises(metadata_version: str, headers: Headers, fields: list[str], tmp_path: Path) -> None:
    """Before Metadata 2.2 an sdist promised nothing, and later it promises nothing of what it calls dynamic."""
    make_sdist(tmp_path, headers=headers, metadata_version=metadata_version)
    make_wheel(tmp_path, headers=[("Requires-Dist", "a")], metadata_version="2.1")
    assert [note.detail.partition(":")[0] for note in of_folder(tmp_path, PYPI)] == fields


def test_disagreement_of_wheels(tmp_path: Path) -> None:
    """Wheels may differ in what they depend on, but not in what the release is."""
    make_wheel(tmp_path, headers=[("Requires-Python", ">=3.11"), ("Requires-Dist", "a")])
    make_wheel(tmp_path, headers=[("Requires-Python", ">=3.12"), ("Requires-Dist", "b")], tag=OTHER_TAG)
    (note,) = of_folder(tmp_path, PYPI)
    assert note.rule == "agreement"
    assert note.detail.startswith("Requires-Python: only ")
