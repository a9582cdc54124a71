"""The table: what was measured, in Markdown, and whether the goals are met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.clients import Taken
from bench.workloads import MIB, STEEPER, Workload

OURS = "publish-action"

HEAD = """\
| workload | client | seconds: median | best | ours in its time | CPU seconds | peak MiB | requests | goal |
|---|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the clients took for a workload, round by round."""

    workload: Workload
    taken: Mapping[str, Sequence[Taken]]
    asked: Mapping[str, Counter[str]]
    """Requests of the last round, by method."""

    def seconds(self, client: str) -> float:
        """Median of the rounds."""
        return median(each.seconds for each in self.taken[client])

    def best(self, client: str) -> float:
        """Give the shortest of the rounds."""
        return min(each.seconds for each in self.taken[client])

    def peak(self, client: str) -> int:
        """Bytes resident at most, in any round."""
        return max(each.peak for each in self.taken[client])

    @property
    def ratio(self) -> float:
        """Our time in that of whom the goal compares us with: medians."""
        return self.seconds(OURS) / self.seconds(self.workload.rival)


def rows(measured: Measured) -> Iterator[str]:
    """Write the rows of a workload: ours with the goal, then one for each rival."""
    for client, taken in measured.taken.items():
        asked = measured.asked[client]
        cells = [
            measured.workload.name if client == OURS else "",
            client,
            f"{measured.seconds(client):.3f}",
            f"{measured.best(client):.3f}",
            "" if client == OURS else f"{measured.seconds(OURS) / measured.seconds(client):.2f}",
            f"{median(each.cpu for each in taken):.2f}",
            f"{measured.peak(client) / MIB:.0f}",
            ", ".join(f"{count} {method}" for method, count in sorted(asked.items())) or "none",
            _goals(measured) if client == OURS else "",
        ]
        yield f"| {' | '.join(cells)} |"


def _goals(measured: Measured) -> str:
    goals = []
    workload = measured.workload
    if workload.rival in measured.taken and workload.most is not None:
        met = measured.ratio <= workload.most
        goal = _goal(f"{measured.ratio:.2f} of {workload.rival}, at most {workload.most}", met=met)
        goals.append(goal if met or not workload.before else f"{goal}: {workload.before}")
    peak = measured.peak(OURS)
    goals.append(_goal(f"{peak / MIB:.0f} MiB, at most {workload.resident // MIB}", met=peak <= workload.resident))
    return "; ".join(goals)


def _goal(text: str, *, met: bool) -> str:
    return f"{text}: {'met' if met else '**not met**'}"


def growth(seconds: Mapping[int, float]) -> Iterator[str]:
    """Write how the time grows with the number of files, and whether the last ones take no longer than the first."""
    yield "| wheels | seconds: best | ms for each |"
    yield "|---|---|---|"
    each = {count: taken / count for count, taken in seconds.items()}
    for count, taken in seconds.items():
        yield f"| {count:,} | {taken:.3f} | {1000 * each[count]:.2f} |"
    *_, last = each.values()
    times = last / min(each.values())
    yield ""
    yield _goal(
        f"With the most wheels each takes {times:.2f} times as long as at best, at most {STEEPER}", met=times <= STEEPER
    )
