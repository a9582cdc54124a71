"""Tests of the preflight, and how they read the files that they make."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint import checks
from entrypoint.checks import description, renderer
from entrypoint.distribution import collect, read
from entrypoint.errors import Note
from entrypoint.index import Index
from tests.plans import GENERIC, PYPI

__all__ = ["GENERIC", "PYPI", "of_files", "of_folder", "render_here"]


def of_files(folder: Path, index: Index) -> list[Note]:
    """Give what is noted about each file of a folder, by whatever rule."""
    notes = []
    for found in collect(["."], folder).found:
        distribution, contents, said = read(found, index)
        notes += [*said, *checks.of_file(distribution, contents, index)]
    return notes


def of_folder(folder: Path, index: Index) -> list[Note]:
    """Give what is noted about the files of a folder together."""
    files = [read(found, index)[0] for found in collect(["."], folder).found]
    return list(checks.of_set(files, index))


def render_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Render descriptions in this process: to start one for each of thousands would take most of the time."""

    def here(text: str) -> description.Fault | None:
        answer = renderer.rendered(text)
        return description._explained(answer["fault"]) if "fault" in answer else None

    monkeypatch.setattr(description, "_rendered", here)
