"""The job summary: for someone who reads it later, in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from entrypoint.plan import bytes_shown
from entrypoint.report import FileRecord, Report
from entrypoint.report.annotation import headline, state_of_things
from entrypoint.runner import markdown, markdown_block, markdown_code, shortened

BUDGET = 900_000
"""Bytes. GitHub drops a summary of more than 1 MiB whole (actions/runner, 2026-08)."""
LINKS = 50
UNFOLDED = 5
"""Attested files that are listed without being folded."""
REMARKS = 50
REASON = 300
"""UTF-16 units of a reason in the table; the report has it all."""

_SIGNS = {
    "uploaded": "✅ uploaded",
    "accepted": "✅ accepted",
    "already-present": "✅ already present",
    "planned": "🔎 planned",
    "skipped": "⚠️ skipped",
    "conflict": "❌ conflict",
    "failed": "❌ failed",
    "not-attempted": "⏸️ not attempted",
}


def summary(report: Report) -> str:
    """Write the summary: how it ended, release links, one table of all files, what to do."""
    sign = "❌" if report.exit_status else "✅"
    head = [f"### {sign} {markdown(headline(report))}", "", markdown(state_of_things(report)), ""]
    tail = ["", *_attested(report.files), *_remarks(report)]
    budget = BUDGET - _bytes(head) - _bytes(links := list(_links(report))) - _bytes(tail)
    return "\n".join([*head, *links, *_table(report.files, budget), *tail, ""])


def _links(report: Report) -> Iterator[str]:
    for release in report.releases[:LINKS]:
        title = markdown(f"{release['name']} {release['version']}")
        yield f"- [{title}]({release['url']})" if release["url"] else f"- {title}"
    if len(report.releases) > LINKS:
        yield f"- and {len(report.releases) - LINKS} more releases"
    yield ""


def _table(files: list[FileRecord], budget: int) -> Iterator[str]:
    """Yield the rows that fit into so many bytes, what needs attention first in line for a place."""
    if not files:
        return
    yield "| File | State | Size | sha256 | Attempts, time | Reason |"
    yield "|---|---|--:|---|--:|---|"
    for number, file in enumerate(files):
        row = _row(file)
        budget -= _bytes([row])
        if budget < 0:
            yield ""
            yield f"{len(files) - number} more files do not fit here: `publish-report.json` has them all."
            return
        yield row


def _row(file: FileRecord) -> str:
    attempts = f"{file['attempts']} · {file['seconds']:.1f} s" if file["attempts"] else ""
    cells = (
        markdown_code(file["filename"]),
        _SIGNS[file["state"]],
        bytes_shown(file["size"]),
        f"`{file['sha256'][:12]}…`" if file["sha256"] else "",
        attempts,
        markdown(shortened(file["reason"] or "", REASON)),
    )
    return f"| {' | '.join(cells)} |"


def _attested(files: list[FileRecord]) -> Iterator[str]:
    """Yield where attestations are in their log, folded if there are many."""
    attested = [file for file in files if file["attestations"]]
    if not attested:
        return
    folded = len(attested) > UNFOLDED
    total = "1 file" if len(attested) == 1 else f"{len(attested)} files"
    yield f"<details><summary>Attested: {total}</summary>" if folded else f"Attested: {total}"
    yield ""
    for file in attested[:LINKS]:
        yield f"- {markdown_code(file['filename'])}: {', '.join(map(_link, file['attestations']))}"
    if len(attested) > LINKS:
        yield f"- and {len(attested) - LINKS} more: `publish-report.json` has them all"
    yield from ("", "</details>", "") if folded else ("",)


def _link(url: str) -> str:
    return f"<{url}>" if re.fullmatch(r"https?://[^\s<>]+", url) else markdown(url)


def _remarks(report: Report) -> Iterator[str]:
    shown = [remark for remark in report.remarks if remark["level"] != "notice"]
    if shown:
        yield f"#### {'What to do' if report.exit_status else 'Worth knowing'}"
        yield ""
    seen: set[str] = set()
    for remark in shown:
        about = f"{markdown_code(remark['path'])}: " if remark["path"] else ""
        text = f"**{markdown(remark['title'])}.** {markdown(remark['tip'] or remark['detail'])}"
        if not remark["path"]:
            text = f"**{markdown(remark['title'])}.** {markdown(remark['detail'])} {markdown(remark['tip'])}"
        if text not in seen and len(seen) < REMARKS:
            seen.add(text)
            yield f"- {about}{text}"
            yield from markdown_block(remark["block"], indent="  ")
            yield from (f"  - <{link}>" for link in remark["links"])


def _bytes(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
