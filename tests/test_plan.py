"""The plan: settled before anything is sent, with all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.errors import Unavailable
from entrypoint.plan import Lenience, bytes_shown
from entrypoint.simple import Project, RemoteFile
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


WHEEL, SDIST = "demo_pkg-1.0-py3-none-any.whl", "demo_pkg-1.0.tar.gz"
OTHER = "f" * 64


def there(folder: Path, states: Mapping[str, str]) -> Project:
    """Make what an index has of the files of a folder: the `same`, an `other` one, one of which `unknown` is what."""
    hashes = {each.found.filename: each.sha256 for each in planned(folder).distributions()}
    files = []
    for name, state in states.items():
        known = {"same": {"sha256": hashes[name]}, "other": {"sha256": OTHER}, "unknown": {}}[state]
        files.append(RemoteFile(name, "", known))
    return Project("demo-pkg", exists=True, files=tuple(files))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), skip_existing=st.booleans())
def test_a_partition(tmp_path: Path, data: st.DataObject, skip_existing: bool) -> None:
    """Every file has exactly one step, whatever the index has: it is sent, or there, or left alone, or in conflict."""
    if not list(tmp_path.iterdir()):
        make_sdist(tmp_path)
        for number in range(5):
            make_wheel(tmp_path, tag=f"py3-none-manylinux_2_{number}_x86_64")
    names = sorted(path.name for path in tmp_path.iterdir())
    states = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from(["same", "other", "unknown"])))
    plan = planned(tmp_path, GENERIC, have={"demo-pkg": there(tmp_path, states)}, skip_existing=skip_existing)
    steps = {step.distribution.found.filename: step for step in plan.steps.values()}
    assert sorted(steps) == names
    assert sorted(each.found.filename for each in plan.distributions()) == names
    sending = [each.found.filename for release in plan.sending() for each in release.distributions]
    assert len(sending) == len(set(sending))
    unlike = "skip" if skip_existing else "conflict"
    for name, step in steps.items():
        wanted = {"same": "already-present", "other": unlike, "unknown": unlike, None: "upload"}[states.get(name)]
        assert step.action == wanted
        assert (name in sending) == (wanted == "upload")
        assert bool(step.reason) == (wanted != "upload")
    conflicts = [name for name, step in steps.items() if step.action == "conflict"]
    assert sorted(str(problem.path) for problem in plan.problems) == conflicts


def test_the_table(tmp_path: Path) -> None:
    """The table has a line for each file with what is done, and both hashes where they differ."""
    make_wheel(tmp_path)
    make_sdist(tmp_path)
    plan = planned(tmp_path, have={"demo-pkg": there(tmp_path, {WHEEL: "other", SDIST: "same"})})
    ours = {each.found.filename: each.sha256 for each in plan.distributions()}
    lines = [" ".join(line.split()) for line in plan.lines()]
    assert lines[0].endswith("as soon as nothing is wrong:")
    assert any(f"conflict {WHEEL}" in line and ours[WHEEL][:12] in line and OTHER[:12] in line for line in lines)
    assert any(f"already present {SDIST}" in line and ours[SDIST][:12] in line for line in lines)


def test_what_the_index_does_not_tell(tmp_path: Path) -> None:
    """An index that cannot be read is a problem of the plan; what is not known is not taken for absent."""
    make_wheel(tmp_path)
    trouble = Unavailable("down", "it is down", "wait")
    assert planned(tmp_path, problems=(trouble,)).problems == (trouble,)
    notes = planned(tmp_path, GENERIC, have={"demo-pkg": None}).notes
    assert [note.title for note in notes] == ["Not compared with the index"]


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (30_249, "30.2 kB"), (10**6, "1.0 MB"), (10**12, "1000.0 GB")],
)
def test_sizes(size: int, shown: str) -> None:
    """Sizes are written as people read them."""
    assert bytes_shown(size) == shown
