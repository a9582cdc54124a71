"""The plan: settled before anything is sent, with all problems at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.plan import Lenience, bytes_shown
from tests.distributions import make_sdist, make_wheel, truncated
from tests.plans import GENERIC, PYPI, planned


def test_all_problems_of_all_files(tmp_path: Path) -> None:
    """Every file is read although the first one is broken, and each problem has its path and a tip."""
    truncated(make_wheel(tmp_path, "a"))
    make_wheel(tmp_path, "b", headers=[("Requires-Python", "x"), ("Requires-Dist", "!")])
    make_wheel(tmp_path, "c")
    plan = planned(tmp_path)
    assert [problem.path for problem in plan.problems] == ["a-1.0-py3-none-any.whl", *["b-1.0-py3-none-any.whl"] * 2]
    assert all(problem.tip for problem in plan.problems)
    assert [release.name for release in plan.releases] == ["b", "c"]
    with pytest.raises(ExceptionGroup) as caught:
        plan.check()
    assert len(caught.value.exceptions) == 3


@pytest.mark.parametrize(
    ("strict", "verify_metadata", "warnings", "problems"),
    [(False, True, 1, 1), (False, False, 2, 0), (True, True, 0, 2), (True, False, 1, 1)],
)
def test_levels(strict: bool, verify_metadata: bool, warnings: int, problems: int, tmp_path: Path) -> None:
    """`strict` makes problems of warnings; without `verify-metadata` what an index may yet take is a warning."""
    make_wheel(tmp_path, headers=[("Requires-Python", "x"), ("Unknown-Field", "x")])
    plan = planned(tmp_path, lenience=Lenience(strict, verify_metadata))
    assert len([note for note in plan.notes if note.level == "warning"]) == warnings
    assert len(plan.problems) == problems


def test_what_no_index_takes_stays_an_error(tmp_path: Path) -> None:
    """A file that cannot be read is an error whatever the user says."""
    truncated(make_wheel(tmp_path))
    assert len(planned(tmp_path, lenience=Lenience(verify_metadata=False)).problems) == 1


def test_disagreement(tmp_path: Path) -> None:
    """A file name that says another name or version than the metadata is an error for each."""
    make_wheel(tmp_path).rename(tmp_path / "other-2.0-py3-none-any.whl")
    rules = [problem.rule for problem in planned(tmp_path).problems]
    assert rules == ["wheel-layout", "name", "version"]


@pytest.mark.parametrize(("file", "inside"), [("1.0", "1.0.0"), ("1.0rc1", "1.0-rc.1"), ("1.0", "v1.0")])
def test_equal_versions(file: str, inside: str, tmp_path: Path) -> None:
    """Two spellings of one version agree."""
    make_wheel(tmp_path, version=inside).rename(tmp_path / f"demo_pkg-{file}-py3-none-any.whl")
    assert planned(tmp_path, GENERIC).problems == ()


def test_newer_than_the_index_takes(tmp_path: Path) -> None:
    """Metadata that PyPI was not known to take is sent with a warning there."""
    make_wheel(tmp_path, metadata_version="2.6")
    assert [(note.level, note.path) for note in planned(tmp_path).notes] == [
        ("warning", "demo_pkg-1.0-py3-none-any.whl")
    ]


def test_lines(tmp_path: Path) -> None:
    """The plan names index, releases and files with their sizes, in the order of sending."""
    make_sdist(tmp_path)
    make_wheel(tmp_path)
    words = ["PyPI", "demo-pkg 1.0", "demo_pkg-1.0-py3-none-any.whl", "demo_pkg-1.0.tar.gz"]
    lines = "\n".join(planned(tmp_path, PYPI).lines())
    assert [lines.index(word) for word in words] == sorted(lines.index(word) for word in words)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (30_249, "30.2 kB"), (10**6, "1.0 MB"), (10**12, "1000.0 GB")],
)
def test_sizes(size: int, shown: str) -> None:
    """Sizes are written as people read them."""
    assert bytes_shown(size) == shown
