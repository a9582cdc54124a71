"""What an image weighs, and how long it takes to start."""

from __future__ import annotations

import statistics
import subprocess
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

ROUNDS = 7
"""Starts of which the median is taken. They take turns, so that all see the same load."""

BARE = "python3 -c pass"
"""The start that others of the same image are compared with."""

LINES = pytest.StashKey[list[str]]()
"""What is printed when all tests are through."""


@dataclass(frozen=True, slots=True)
class Start:
    """A way to start an image; `entrypoint` takes the place of its own."""

    image: str
    what: str
    arguments: tuple[str, ...]
    entrypoint: str | None = None
    status: int = 0
    options: tuple[str, ...] = ("--network", "none")
    """Of `docker run`."""
    before: Callable[[], None] = lambda: None
    """Done before each start, outside the time."""

    def seconds(self) -> float:
        """Start it once, and wait for its end."""
        own = ["--entrypoint", self.entrypoint] if self.entrypoint else []
        command = ["docker", "run", "--rm", *self.options, *own, self.image, *self.arguments]
        self.before()
        began = time.perf_counter()
        finished = subprocess.run(command, check=False, capture_output=True, timeout=60)
        seconds = time.perf_counter() - began
        assert finished.returncode == self.status, finished.stderr
        return seconds


def medians(starts: Sequence[Start]) -> Mapping[Start, float]:
    """Start them in turn and give the median seconds of each."""
    rounds = [[start.seconds() for start in starts] for _ in range(ROUNDS)]
    return {start: statistics.median(each[index] for each in rounds) for index, start in enumerate(starts)}


def compressed(image: str) -> int:
    """Give the bytes of the image as it is stored and pulled: all its layers, with gzip's usual level."""
    packer = zlib.compressobj(6, wbits=31)
    size = 0
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
        assert saving.stdout
        while block := saving.stdout.read(2**20):
            size += len(packer.compress(block))
    assert saving.returncode == 0
    return size + len(packer.flush())


def table(sizes: Mapping[str, int], times: Mapping[Start, float]) -> list[str]:
    """Show sizes and times; each time also as a multiple of what the same image takes to start Python alone."""
    lines = [f"{'':20}{'compressed':>12}  {'what is run':36}{'median':>8}{'÷ bare':>8}"]
    bare = {start.image: seconds for start, seconds in times.items() if start.what == BARE}
    shown: set[str] = set()
    for start, seconds in times.items():
        name, size = (
            ("", "") if start.image in shown else (start.image.partition(":")[0], f"{sizes[start.image] / 1e6:.1f} MB")
        )
        shown.add(start.image)
        ratio = f"{seconds / bare[start.image]:.2f}"
        lines.append(f"{name:20}{size:>12}  {start.what:36}{seconds * 1000:5.0f} ms{ratio:>8}")
    return lines
