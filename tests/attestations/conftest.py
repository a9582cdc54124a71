"""Fixtures: a job in a world with a Sigstore, whose PyPI verifies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attestations.job import Job
from tests.peers.world import running_world


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """Run a world in which the job may publish `demo`."""
    with running_world(tmp_path / "world") as world:
        world.pypi.trust(world.github, "demo")
        yield Job(world, tmp_path / "w")
