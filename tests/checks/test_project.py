"""Rules that look at what the index has of a project."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.plan import Lenience, Plan
from entrypoint.simple import Project, RemoteFile, absent
from tests.checks import GENERIC, PYPI
from tests.distributions import make_sdist, make_wheel
from tests.plans import planned

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OLD_WHEEL = "demo_pkg-1.0-py2-none-any.whl"
LENIENT = Lenience(verify_metadata=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with a wheel and an sdist of one release."""
    make_wheel(tmp_path)
    make_sdist(tmp_path)
    return tmp_path


def project(*files: RemoteFile, status: str = "active", reason: str = "") -> Project:
    """Make what the index has."""
    return Project("demo-pkg", exists=True, files=files, status=status, status_reason=reason)


def remote(
    filename: str = OLD_WHEEL, *, days: float | None = None, size: int | None = None, sha256: str = ""
) -> RemoteFile:
    """Make a file on the index that came so many days ago."""
    uploaded = None if days is None else NOW - timedelta(days=days)
    hashes = {"sha256": sha256} if sha256 else {}
    return RemoteFile(filename, f"https://files.example/{filename}", hashes, size, uploaded)


def plan(folder: Path, there: Project, index: Index = PYPI) -> Plan:
    """Plan a folder against it, as leniently as a user can."""
    return planned(folder, index, have={"demo-pkg": there}, now=NOW, lenience=LENIENT)


def rules(made: Plan) -> list[str]:
    """Give the rules of the errors."""
    return [problem.rule for problem in made.problems]


@pytest.mark.parametrize("index", [PYPI, GENERIC], ids=lambda index: index.name)
@pytest.mark.parametrize("status", ["archived", "quarantined"])
def test_closed_projects(status: str, index: Index, folder: Path) -> None:
    """A project that is archived or quarantined takes no files (PEP 792), and the reason that is given is quoted."""
    made = plan(folder, project(status=status, reason="moved to another name"), index)
    assert rules(made) == ["project-status"]
    assert "moved to another name" in str(made.problems[0])
    assert rules(plan(folder, project(status="deprecated"), index)) == []


@pytest.mark.parametrize(("days", "closed"), [(13.9, False), (14.1, True), (4000, True), (None, False)])
def test_the_age_of_a_release(days: float | None, closed: bool, folder: Path) -> None:
    """PyPI takes no new files for a release whose first file is older than 14 days; other indexes do."""
    there = project(remote(days=1), remote("demo_pkg-1.0-py3-none-win32.whl", days=days))
    made = plan(folder, there)
    assert rules(made) == ["release-age"] * closed
    assert rules(plan(folder, there, GENERIC)) == []


def test_the_age_of_another_release(folder: Path) -> None:
    """Only files of the same version count, by the meaning of the version."""
    assert rules(plan(folder, project(remote("demo_pkg-0.9-py3-none-any.whl", days=400)))) == []
    assert rules(plan(folder, project(remote("demo_pkg-1.0.0-py2-none-any.whl", days=400)))) == ["release-age"]


def test_a_complete_release_has_no_age(tmp_path: Path) -> None:
    """A release of which nothing is missing passes however old it is: PyPI answers 200 to files that it has."""
    make_wheel(tmp_path)
    (distribution,) = planned(tmp_path, PYPI).distributions()
    there = project(remote(distribution.found.filename, days=400, sha256=distribution.sha256), status="archived")
    made = plan(tmp_path, there)
    assert rules(made) == []
    assert [step.action for step in made.steps.values()] == ["already-present"]


def test_another_sdist(folder: Path) -> None:
    """PyPI takes one sdist for a release; the wheels beside it are none of that."""
    there = project(remote("demo_pkg-1.0.zip", days=1))
    made = plan(folder, there)
    assert rules(made) == ["one-sdist"]
    assert made.problems[0].path == "demo_pkg-1.0.tar.gz"
    assert rules(plan(folder, there, GENERIC)) == []


def test_the_same_content_under_another_name(folder: Path) -> None:
    """PyPI refuses bytes that it has under another name."""
    wheel = next(each for each in planned(folder, PYPI).distributions() if each.found.kind == "wheel")
    made = plan(folder, project(remote(days=1, sha256=wheel.sha256)))
    assert rules(made) == ["same-content"]
    assert OLD_WHEEL in str(made.problems[0])


def noted(made: Plan, rule: str) -> list[Note]:
    """Give what is noted by a rule."""
    return [note for note in made.notes if note.rule == rule]


def test_the_size_of_a_project(folder: Path) -> None:
    """A project that grows over PyPI's usual limit is a warning: the limit may have been raised."""
    limit = PYPI.project_limit or 0
    (note,) = noted(plan(folder, project(remote("demo_pkg-0.9.tar.gz", size=limit))), "project-size")
    assert note.level == "warning"
    assert noted(plan(folder, project(remote("demo_pkg-0.9.tar.gz", size=limit // 2))), "project-size") == []


def test_a_new_project(folder: Path) -> None:
    """That a project is created is a notice; that its name is a module of Python is a warning on PyPI."""
    (note,) = noted(plan(folder, absent("demo-pkg")), "new-project")
    assert note.level == "notice"


def test_a_new_project_is_noticed_once(tmp_path: Path) -> None:
    """What holds for a project is said once, however many of its releases are published."""
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path, "demo-pkg", version)
    assert len(noted(planned(tmp_path, PYPI, have={"demo-pkg": absent("demo-pkg")}), "new-project")) == 1


@pytest.mark.parametrize(("index", "level"), [(PYPI, ["warning"]), (GENERIC, [])], ids=["pypi", "generic"])
def test_a_name_of_the_standard_library(index: Index, level: list[str], tmp_path: Path) -> None:
    """PyPI makes no new project with the name of a module of the standard library."""
    make_wheel(tmp_path, "json")
    made = planned(tmp_path, index, have={"json": absent("json")})
    assert [note.level for note in noted(made, "project-name")] == level
