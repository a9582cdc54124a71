"""The image under test, and those it is measured beside: built once, removed by their own names."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.action.machines import no_engine
from tests.action.weights import LINES

ROOT = Path(__file__).parents[2]
BASE = "debian:trixie-slim"


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """Give the name of the image; skip where no engine answers, but fail where PUBLISH_ACTION_REQUIRE_ENGINE=1."""
    if reason := no_engine():
        if os.environ.get("PUBLISH_ACTION_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with built("publish-action", str(ROOT)) as name:
        yield name


@pytest.fixture(scope="session")
def peers(image: str) -> Iterator[Sequence[str]]:  # noqa: ARG001 - where there is an engine
    """Give the names of two images on the same base: Python alone, and one that is built as the incumbent's is."""
    with ExitStack() as stack:
        file = str(Path(__file__).with_name("peers.Dockerfile"))
        folder = stack.enter_context(tempfile.TemporaryDirectory())  # they take no files
        yield [
            stack.enter_context(built(target, "--target", target, "--file", file, folder))
            for target in ("bare", "incumbent")
        ]


@contextmanager
def built(kind: str, *arguments: str) -> Iterator[str]:
    """Build an image, give its name, and remove it."""
    name = f"{kind}-test:{uuid.uuid4().hex[:12]}"
    # The host's network, so that mirrors and proxies on loopback can be reached while building.
    command = ["docker", "build", "--network", "host", "--build-arg", f"BASE={BASE}", "--tag", name, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)
    yield name
    subprocess.run(["docker", "rmi", name], check=True, capture_output=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured, after everything else."""
    if lines := config.stash.get(LINES, []):
        terminalreporter.section("image")
        for line in lines:
            terminalreporter.write_line(line)
