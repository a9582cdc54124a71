"""docs/comparison.md: what it says this program does when something goes wrong, what was measured, and its sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.faults import CASES, HEAD, Case, play
from tests.line import ROOT

TEXT = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
MEASURED = TEXT.partition(HEAD)[2].partition("\n\n")[0].splitlines()


def test_every_case_was_played_to_every_client() -> None:
    """The table has each case of the bench, and in each all three, in the order in which they are printed."""
    expected = [
        f"| {case.name if client == 'publish-action' else ''} | {client} | "
        for case in CASES
        for client in ("publish-action", "twine", "uv --check-url")
    ]
    assert [re.match(r"\| .*? ?\| [\w -]+ \| ", row).group() for row in MEASURED] == expected  # type: ignore[union-attr]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_our_rows(case: Case) -> None:
    """What is said of this program is so."""
    played = play(case, 0, Path("/nowhere"))
    assert played.row(case.name) in MEASURED, played.said


def measured(performance: str) -> list[str]:
    """Make the table of times and memory from that in docs/performance.md: medians, the best of each row in bold."""
    table = performance.partition("## What was measured\n")[2].partition("\n\n20")[0]
    found: dict[str, dict[str, tuple[str, str]]] = {}
    workload = ""
    for row in re.findall(r"^\| .*\|$", table, re.MULTILINE)[1:]:
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        workload = cells[0] or workload
        found.setdefault(workload, {})[cells[1]] = (cells[2], cells[6])
    lines = []
    for name, clients in found.items():
        best = min((seconds for seconds, _ in clients.values()), key=float)
        shown = {
            client: f"{f'**{seconds} s**' if seconds == best else f'{seconds} s'}, {peak} MiB"
            for client, (seconds, peak) in clients.items()
        }
        cells = [shown.get(client, "") for client in ("publish-action", "twine", "uv", "uv --check-url")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def test_times() -> None:
    """Times and memory are those of docs/performance.md: what it says is to be pasted."""
    performance = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    rows = measured(performance)
    assert len(rows) >= 6
    assert "\n".join(rows) in TEXT
    (day,) = re.findall(r"^(\d{4}-\d\d-\d\d), twine", performance, re.MULTILINE)
    assert f"medians\nof {day} (`make bench`)" in TEXT


def test_sources() -> None:
    """Each reference leads somewhere public, and each link has one."""
    prose, _, _ = TEXT.partition("\n[action]: ")
    defined = dict(re.findall(r"^\[([^\]]+)\]: (https://\S+)$", TEXT, re.MULTILINE))
    used = set(re.findall(r"\[([\w-]+#\d+)\]", prose)) | set(re.findall(r"\]\[([\w-]+)\]", prose))
    assert used == set(defined)
    for name, url in defined.items():
        if "#" in name:
            assert url.endswith(f"/{name.partition('#')[2]}")
