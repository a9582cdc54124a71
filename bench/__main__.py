"""`make bench`: publishes the same files with every client in turn, and prints a table with the goals.

The clients take turns in every round, and what begins a round changes, so that whatever else the machine does meets all
of them alike. Progress goes to standard error, the table to standard output.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import clients, served, table
from bench.clients import CACHE, Client, Job, Taken
from bench.table import Measured
from bench.workloads import GROWING, WORKLOADS, Workload, growing


@dataclass(frozen=True, slots=True)
class Bench:
    """Who is measured, and how."""

    clients: Mapping[str, Client]
    """By name."""
    files: Path
    """Where files are made, and kept for the next time."""
    rounds: int | None = None
    """Instead of what a workload says."""
    bandwidth: float = 0.0
    """Bytes a second, of all connections together."""
    tls: bool = False

    def measure(self, workload: Workload) -> Measured:
        """Let all clients do a workload in turn, round by round."""
        runners = [self.clients[name] for name in workload.clients if name in self.clients]
        taken: dict[str, list[Taken]] = {client.name: [] for client in runners}
        asked: dict[str, Counter[str]] = {}
        with ExitStack() as stack:
            tls = CACHE / "tls" if self.tls else None
            index = stack.enter_context(served.index(latency=workload.latency, bandwidth=self.bandwidth, tls=tls))
            job = Job(workload.files.made(self.files), index, workload.parallel)
            if workload.stored:
                clients.run(self.clients["publish-action"], job)
                index.asked()
            for number in range(self.rounds or workload.rounds):
                for client in _turned(runners, number):
                    if not workload.stored:
                        index.forget()
                    taken[client.name].append(clients.run(client, job))
                    asked[client.name] = _checked(client, index.asked(), workload)
                    _say(f"{workload.name}, round {number + 1}: {client.name} {taken[client.name][-1].seconds:.3f} s")
        return Measured(workload, taken, asked)


def _turned(runners: Sequence[Client], number: int) -> list[Client]:
    first = number % len(runners)
    return [*runners[first:], *runners[:first]]


def _checked(client: Client, asked: Counter[str], workload: Workload) -> Counter[str]:
    """Make sure that a client did what it is measured for."""
    expected = 0 if workload.stored else workload.files.count
    if asked["POST"] != expected:
        raise RuntimeError(f"{client.name} made {asked['POST']} uploads instead of {expected}")
    return asked


def tables(bench: Bench, only: str = "") -> Iterator[str]:
    """Measure, and yield the lines of the tables."""
    chosen = [workload for workload in WORKLOADS if only in workload.name]
    if chosen:
        yield table.HEAD
    for workload in chosen:
        yield from table.rows(bench.measure(workload))
    if only in GROWTH:
        ours = Bench({"publish-action": bench.clients["publish-action"]}, bench.files, bench.rounds)
        yield ""
        yield from table.growth({n: ours.measure(growing(n)).best("publish-action") for n in GROWING})


GROWTH = "growth: 100 to 2,000 wheels"
"""Name of the second table."""


def machine() -> str:
    """Say what was measured, when, and on what."""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), "?")
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} with {', '.join(clients.RIVALS)}, CPython {platform.python_version()}, "
        f"Linux {platform.release()}, {len(os.sched_getaffinity(0))} cores of {model}; index on the same cores over "
        "loopback. The container step (`docker run`) is not among the workloads."
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Install the clients, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", help="workloads whose name has this in it")
    parser.add_argument("--rounds", type=int, help="instead of what each workload says")
    parser.add_argument("--bandwidth", type=float, default=0.0, help="bytes a second, of all connections together")
    parser.add_argument("--tls", action="store_true", help="speak HTTPS with the index")
    given = parser.parse_args()
    _say("Installing the clients …")
    rivals = clients.install_rivals()
    everyone = (
        clients.ours(clients.install_ours()),
        clients.twine(rivals),
        clients.uv(rivals, check=False),
        clients.uv(rivals, check=True),
    )
    bench = Bench(
        {client.name: client for client in everyone}, CACHE / "files", given.rounds, given.bandwidth, tls=given.tls
    )
    for line in tables(bench, given.only):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{machine()}\n")


if __name__ == "__main__":
    main()
