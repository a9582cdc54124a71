"""`wait-for-index`: the index serves every file with its hash, or that is said."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.distributions import make_sdist, make_wheel
from tests.line import Run, Waits, publish
from tests.peers.played import PARTS, Fault, Part, Played, played_index
from tests.peers.scripted import Answer, Request

PYPI = PARTS[0]
PULP = next(part for part in PARTS if part.name == "pulp")
BLIND = PARTS[-1]
WHEEL, SDIST = "demo_pkg-1.0-py3-none-any.whl", "demo_pkg-1.0.tar.gz"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a workspace with a wheel and an sdist."""
    make_wheel(tmp_path / "w" / "dist")
    make_sdist(tmp_path / "w" / "dist")
    return tmp_path / "w"


def after_storing(change: Callable[[Played], object]) -> Fault:
    """Store the upload as it should be, then change something about the index."""

    def play(played: Played, request: Request) -> Answer:
        answer = played.takes(request)
        change(played)
        return answer

    return play


def waited(workspace: Path, part: Part, change: Callable[[Played], object], seconds: int = 60) -> tuple[Run, Waits]:
    """Publish both files; the index changes after the sdist, which comes last. Give the run and its waits."""
    files = {path.name: path.read_bytes() for path in (workspace / "dist").iterdir()}
    waits = Waits()
    faults = [after_storing(lambda _: None), after_storing(change)]
    with played_index(part, *faults, contents=files.values()) as played:
        inputs = played.inputs | {"wait-for-index": str(seconds), "attestations": "false"}
        return publish(workspace, inputs, transport=played.transport, clock=waits.clock), waits


def hide(reads: int) -> Callable[[Played], object]:
    """Let so many reads see nothing."""
    return lambda played: setattr(played, "hidden", reads)


def test_what_is_waited_for_is_said(workspace: Path) -> None:
    """While it is waited, the log says now and then how many files the index serves, and how long it is waited yet."""
    ours, waits = waited(workspace, PYPI, hide(9), seconds=300)
    assert ours.status == 0
    lines = [line for line in ours.raw.splitlines() if line.startswith("  waiting ")]
    assert lines[0] == "  waiting   the index serves 0 of 2 files so far, 300 s are left"
    assert 2 <= len(lines) < len(waits.pauses)
    assert len(set(lines)) == len(lines)


def test_seen_at_once(workspace: Path) -> None:
    """An index that serves both files at once is not waited for."""
    ours, waits = waited(workspace, PYPI, lambda _: None)
    assert (ours.status, waits.pauses) == (0, [])
    assert ours.messages("warning") == []


def test_seen_later(workspace: Path) -> None:
    """An index behind a cache is asked until it serves them, with longer and longer pauses."""
    ours, waits = waited(workspace, PYPI, hide(4))
    assert (ours.status, waits.pauses) == (0, [2, 4, 8])
    assert ours.messages("warning") == []


def test_not_seen_in_time(workspace: Path) -> None:
    """What is not served in time is a warning for each file, and the run is green: the files are published."""
    ours, waits = waited(workspace, PYPI, hide(10**6))
    assert ours.status == 0
    assert sum(waits.pauses) == pytest.approx(60, abs=1)
    warnings = ours.messages("warning")
    assert [name for name in (WHEEL, SDIST) for message in warnings if f"serve {name} within 60 s" in message] == [
        WHEEL,
        SDIST,
    ]


@pytest.mark.parametrize("filename", [WHEEL, SDIST])
def test_something_else_is_served(filename: str, workspace: Path) -> None:
    """Another hash than ours under the name is an error that shows both: somebody else writes to this index."""
    ours, _ = waited(workspace, PYPI, lambda played: played.files.update({filename: b"something else"}))
    assert ours.status == 1
    assert ours.states[filename] == "conflict"
    assert hashlib.sha256(b"something else").hexdigest() in ours.reasons[filename]
    assert ours.titles == ["The index serves something else"]


@pytest.mark.parametrize("right", [True, False])
def test_metadata(right: bool, workspace: Path) -> None:
    """The metadata of a wheel is compared, too, where the index gives its hash (PEP 714)."""
    with zipfile.ZipFile(workspace / "dist" / WHEEL) as archive:
        digest = hashlib.sha256(archive.read("demo_pkg-1.0.dist-info/METADATA")).hexdigest()
    served = digest if right else "0" * 64
    ours, _ = waited(workspace, PYPI, lambda played: played.metadata.update({WHEEL: served}))
    assert (ours.status, ours.states[WHEEL]) == ((0, "uploaded") if right else (1, "failed"))
    assert right or "METADATA" in ours.reasons[WHEEL]


def test_accepted(workspace: Path) -> None:
    """A file that was accepted, to be stored later, is `uploaded` as soon as it is seen."""
    ours, _ = waited(workspace, PULP, hide(6))
    assert (ours.status, ours.states) == (0, {WHEEL: "uploaded", SDIST: "uploaded"})


def test_accepted_and_never_seen(workspace: Path) -> None:
    """A file that was accepted and is never seen stays `accepted`, with a warning."""
    ours, _ = waited(workspace, PULP, hide(10**6))
    assert (ours.status, ours.states[SDIST]) == (0, "accepted")
    assert any(SDIST in message for message in ours.messages("warning"))


def test_nowhere_to_look(workspace: Path) -> None:
    """Where it is not known where the simple index is, nothing is waited for, and that is said."""
    ours, waits = waited(workspace, BLIND, lambda _: None)
    assert (ours.status, waits.pauses) == (0, [])
    assert all("not known where its simple index is" in message for message in ours.messages("warning"))
    assert len(ours.messages("warning")) == 2
