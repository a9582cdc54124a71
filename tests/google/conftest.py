"""Fixtures: a job in a world of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.google.job import Job
from tests.peers.world import running_world


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Run a world in which the job may write to a repository, by itself and as a service account."""
    with running_world(tmp_path / "world") as world:
        yield Job(world, tmp_path / "w")
