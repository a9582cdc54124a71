"""The job summary: for someone who reads it later, in GitHub's Markdown.

Outcome, cause and next step come first, so that nobody has to scroll for them; then links, the one table of all files,
what needs attention first, and what to do about each cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from entrypoint.plan import bytes_shown, files_shown
from entrypoint.report import PUT_RIGHT, SEND_REST, FileRecord, Remark, Report
from entrypoint.report.annotation import counted, headline
from entrypoint.runner import markdown, markdown_block, markdown_code, markdown_prose, shortened
from entrypoint.upload import State

BUDGET = 900_000
"""Bytes. GitHub drops a summary of more than 1 MiB whole (actions/runner, 2026-08)."""
LINKS = 50
UNFOLDED = 5
"""Attested files that are listed without being folded."""
REMARKS = 50
REASON = 300
"""UTF-16 units of a reason in the table; the report has it all."""
LONG = 20
"""Files of a table that is not folded: more of them push what to do out of sight."""
NAMED = 3
"""Files that a cause names."""

_SIGNS: dict[State, str] = {
    "conflict": "❌ conflict",
    "failed": "❌ failed",
    "not-attempted": "⏸️ not attempted",
    "skipped": "⚠️ skipped",
    "accepted": "✅ accepted",
    "uploaded": "✅ uploaded",
    "already-present": "✅ already present",
    "planned": "🔎 planned",
}
_ATTENTION: dict[State, int] = {"conflict": 0, "failed": 0, "not-attempted": 1, "skipped": 2}
"""State → its place in the table; all others come after these."""
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b")


AGAIN = "run the job again"
BEHIND = (
    (PUT_RIGHT, "Then run the job again: it sends only what is missing.", "It sends only what is missing."),
    (SEND_REST, SEND_REST, "It sends the rest."),
)
"""An advice, what it is behind a tip, and behind one that says itself to run the job again."""


class Cause(NamedTuple):
    """What was seen of one or several files, with what to do about it."""

    first: Remark
    paths: tuple[str, ...]


def summary(report: Report) -> str:
    """Write the summary: how it ended and why, release links, one table of all files, what to do."""
    head, links, tail = list(_head(report)), list(_links(report)), ["", *_attested(report.files), *_remarks(report)]
    budget = BUDGET - _bytes(chain(head, links, tail))
    return "\n".join([*head, *links, *_table(report.files, budget), *tail, ""])


def _head(report: Report) -> Iterator[str]:
    yield f"### {'❌' if report.exit_status else '✅'} {markdown(headline(report))}"
    yield ""
    yield markdown(counted(report))
    yield ""
    causes = _causes(remark for remark in report.remarks if remark["level"] == "error")
    if causes:
        cause, others = causes[0], len(causes) - 1
        more = f" {others} more {'cause is' if others == 1 else 'causes are'} below." if others else ""
        where = f" ({_files(cause.paths, 1)})" if cause.paths else ""
        title, detail = markdown_prose(cause.first["title"]), _short(cause.first["detail"])
        yield f"**Cause:** {title}{where}{':' if where else '.'} {detail}{more}"
        yield ""
        tip = cause.first["tip"]
        yield f"**Next step:** {markdown_prose(tip)} {markdown(_then(tip, report.next_step))}"
        yield from _shown(cause.first)
        yield ""


def _then(tip: str, next_step: str) -> str:
    """Say the next step behind a tip, without what that has said."""
    if not tip:
        return next_step
    for known, then, short in BEHIND:
        next_step = next_step.replace(known, short if AGAIN in tip.lower() else then, 1)
    return next_step


def _causes(remarks: Iterable[Remark]) -> list[Cause]:
    """Put together what is to be done in the same way."""
    found: dict[tuple[str, ...], Cause] = {}
    for remark in remarks:
        in_table = remark["path"] and remark["level"] == "error"
        key = (remark["title"], remark["tip"], remark["block"], "" if in_table else remark["detail"])
        cause = found.get(key, Cause(remark, ()))
        paths = (remark["path"],) if remark["path"] and remark["path"] not in cause.paths else ()
        found[key] = cause._replace(paths=cause.paths + paths)
    return list(found.values())


def _shown(remark: Remark, indent: str = "") -> Iterator[str]:
    """Yield what a tip speaks of: lines to be read or pasted as they stand, and links."""
    yield from markdown_block(remark["block"], indent)
    if remark["links"]:
        yield from ("", *(f"{indent}- <{link}>" for link in remark["links"]))


def _files(paths: Sequence[str], named: int = NAMED) -> str:
    """Name the files of a cause, or some of them."""
    more = f" and {len(paths) - named} more" if len(paths) > named else ""
    return f"{', '.join(map(markdown_code, paths[:named]))}{more}"


def _short(text: str) -> str:
    """Cut a text and the digests in it, which no line can break."""
    return markdown_prose(shortened(_DIGEST.sub(r"`\1`", text), REASON))


def _links(report: Report) -> Iterator[str]:
    links = []
    for release in report.releases[:LINKS]:
        title = markdown(f"{release['name']} {release['version']}")
        links.append(f"[{title}]({release['url']})" if release["url"] else title)
    if len(report.releases) > LINKS:
        links.append(f"and {len(report.releases) - LINKS} more releases")
    if links:
        yield f"{'Release' if len(links) == 1 else 'Releases'}: {' · '.join(links)}"
        yield ""


def _table(files: Sequence[FileRecord], budget: int) -> Iterator[str]:
    """Yield the rows that fit into so many bytes, what needs attention first; folded where they are many."""
    if not files:
        return
    folded = len(files) > LONG
    if folded:
        counts = ((sign, sum(file["state"] == state for file in files)) for state, sign in _SIGNS.items())
        said = ", ".join(f"{number} {sign.partition(' ')[2]}" for sign, number in counts if number)
        yield f"<details><summary>All {len(files)} files: {said}</summary>"
        yield ""
    yield "| File | State | Size | sha256 | Attempts, time | Reason |"
    yield "|---|---|--:|---|--:|---|"
    above = None
    for number, file in enumerate(sorted(files, key=lambda file: _ATTENTION.get(file["state"], 3))):
        row = _row(file, above)
        above = file["reason"]
        budget -= _bytes([row])
        if budget < 0:
            yield ""
            yield f"{len(files) - number} more files do not fit here: `publish-report.json` has them all."
            break
        yield row
    if folded:
        yield from ("", "</details>")


def _row(file: FileRecord, above: str | None) -> str:
    """Write a row; a reason is said once for rows that follow each other."""
    attempts = f"{file['attempts']} · {file['seconds']:.1f} s" if file["attempts"] else ""
    cells = (
        markdown_code(file["filename"]),
        _unbroken(_SIGNS[file["state"]]),
        _unbroken(bytes_shown(file["size"])),
        f"`{file['sha256'][:12]}…`" if file["sha256"] else "",
        _unbroken(attempts),
        "as above" if file["reason"] and file["reason"] == above else _short(file["reason"] or ""),
    )
    return f"| {' | '.join(cells)} |"


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _attested(files: Sequence[FileRecord]) -> Iterator[str]:
    """Yield where attestations are in their log, folded if there are many."""
    attested = [file for file in files if file["attestations"]]
    if not attested:
        return
    folded = len(attested) > UNFOLDED
    total = files_shown(len(attested))
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
    """Yield what to do; what was seen only where it is not above, or is cut there."""
    causes = _causes(remark for remark in report.remarks if remark["level"] != "notice")
    first = next((remark for remark in report.remarks if remark["level"] == "error"), None)
    if causes:
        yield f"#### {'What to do' if report.exit_status else 'Worth knowing'}"
        yield ""
    reasons = {file["path"]: file["reason"] or "" for file in report.files}
    for remark, paths in causes[:REMARKS]:
        above = remark == first or (remark["path"] is not None and remark["detail"] in reasons.get(remark["path"], ""))
        seen = (
            ""
            if above and remark["detail"] == shortened(remark["detail"], REASON)
            else f" {markdown_prose(remark['detail'])}"
        )
        tip = f" {markdown_prose(remark['tip'])}" if remark["tip"] else ""
        yield f"- **{markdown_prose(remark['title'])}.**{seen}{tip}{f' ({_files(paths)})' if paths else ''}"
        if remark != first:
            yield from _shown(remark, indent="  ")
    if len(causes) > REMARKS:
        yield f"- and {len(causes) - REMARKS} more: `publish-report.json` has them all"


def _bytes(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)
