"""The image under test: built once from the Dockerfile, removed by its own name."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.action.machines import no_engine

ROOT = Path(__file__).parents[2]
BASE = "debian:trixie-slim"


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """Give the name of the image; skip where no engine answers, but fail where PUBLISH_ACTION_REQUIRE_ENGINE=1."""
    if reason := no_engine():
        if os.environ.get("PUBLISH_ACTION_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    name = f"publish-action-test:{uuid.uuid4().hex[:12]}"
    # The host's network, so that mirrors and proxies on loopback can be reached while building.
    command = ["docker", "build", "--network", "host", "--build-arg", f"BASE={BASE}", "--tag", name, str(ROOT)]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    if built.returncode:
        pytest.fail(f"{' '.join(command)}\n{built.stdout}{built.stderr}", pytrace=False)
    yield name
    subprocess.run(["docker", "rmi", name], check=True, capture_output=True)
