"""The workloads: what is published to which index, whom it is compared with, and the goals."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.distributions import make_wheel

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Files:
    """Wheels of one version, as many of each project, for as many versions of Python."""

    count: int
    size: int
    """Bytes of each, about, where it is one member that does not compress."""
    projects: int = 1
    members: int = 0
    """Instead of that, members as long as `size` that compress to some half."""

    def made(self, cache: Path) -> Path:
        """Make them, unless they are there; give the folder that holds `dist`."""
        folder = cache / f"{self.count}x{self.size}of{self.projects}{f'x{self.members}' if self.members else ''}"
        if not (folder / "dist").exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            for number in range(self.count):
                of_project, project = divmod(number, self.projects)
                make_wheel(
                    partial / "dist",
                    f"bench-{project}",
                    tag=f"cp3{of_project}-none-any",
                    filler=0 if self.members else self.size,
                    extra={f"bench_{project}/{member}.so": _code(self.size, member) for member in range(self.members)},
                )
            folder.mkdir(parents=True, exist_ok=True)
            (partial / "dist").rename(folder / "dist")
            partial.rmdir()
        return folder


def _code(size: int, seed: int) -> bytes:
    """Make bytes that compress about as well as libraries do."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    words = [chance.randbytes(length) for length in range(3, 13) for _ in range(400)]
    return b"".join(chance.choices(words, k=size // 7))[:size]


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the table."""

    name: str
    files: Files
    rival: str
    """With whom the goal compares."""
    most: float | None
    """The goal: at most so many times the rival's time; `None` where there is none."""
    before: str = ""
    """What comes before the goal, where the two do not go together."""
    others: tuple[str, ...] = ()
    """Who runs, too."""
    latency: float = 0.0
    """Seconds before each answer of the index."""
    parallel: int = 8
    stored: bool = False
    """Whether the index has all files already."""
    resident: int = 64 * MIB
    """The goal for memory: bytes resident at most."""
    rounds: int = 5

    @property
    def clients(self) -> tuple[str, ...]:
        """Who runs, in turn."""
        return ("publish-action", self.rival, *self.others)


CHECKED = "every member of every file is checked before the first byte is sent"

WORKLOADS = (
    Workload("one 30 kB wheel", Files(1, 30_000), "twine", 0.8, others=("uv",), rounds=15),
    Workload(
        "50 wheels of 200 kB, 50 ms per answer, 8 at a time",
        Files(50, 200_000),
        "uv",
        0.25,
        others=("uv --check-url",),
        latency=0.05,
        rounds=7,
    ),
    Workload("the same, 2 at a time (PyPI's)", Files(50, 200_000), "uv", 0.6, latency=0.05, parallel=2, rounds=5),
    Workload("20 wheels of 20 MB", Files(20, 20_000_000), "twine", 0.45, before=CHECKED, others=("uv",), rounds=5),
    Workload("one wheel of 1 GB", Files(1, 1_000_000_000), "twine", 0.5, before=CHECKED, others=("uv",), rounds=3),
    Workload("the same, already on the index", Files(1, 1_000_000_000), "uv --check-url", 1.2, stored=True, rounds=5),
    Workload(
        "one wheel of 120 MB, 20 members that compress",
        Files(1, 10_000_000, members=20),
        "twine",
        None,
        others=("uv",),
        rounds=5,
    ),
    Workload(
        "1,000 wheels of 20 kB, 20 projects, 10 ms per answer",
        Files(1000, 20_000, projects=20),
        "uv",
        0.5,
        latency=0.01,
        resident=96 * MIB,
        rounds=3,
    ),
)

GROWING = (100, 500, 1000, 2000)
"""Numbers of wheels, otherwise as in the last workload; the time has to grow with their number, and no faster."""
STEEPER = 1.25
"""The goal: of the most files each takes at most so many times as long as with the number that is best."""


def growing(count: int) -> Workload:
    """Give the last workload with another number of wheels."""
    last = WORKLOADS[-1]
    return Workload(f"{count} wheels", Files(count, 20_000, projects=20), "", None, latency=last.latency, rounds=3)
