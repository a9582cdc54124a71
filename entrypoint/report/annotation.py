"""Annotations: what the page of the run shows to someone who has to act."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from entrypoint.plan import files_shown
from entrypoint.report import GOOD, NOTHING_SENT, Remark, Report
from entrypoint.runner import Level
from entrypoint.upload import PUBLIC

SHOWN = 10
"""Annotations of each level that GitHub shows for one step (actions/runner, 2026-08); the rest is only in the log."""


LEVELS: tuple[Level, ...] = ("error", "warning", "notice")

TAKEN = {"uploaded": "is uploaded to", "accepted": "is accepted, to be stored later, by"}
"""What a notice says of a file that was sent."""


class Annotation(NamedTuple):
    """One annotation. Titles are not masked by GitHub and not in the log: the message says it all."""

    level: Level
    title: str
    message: str
    path: str | None = None


def selected(report: Report) -> Iterator[Annotation]:
    """Yield at most ten of each level, the first error summing up where there are several."""
    errors = [_from(remark) for remark in report.remarks if remark["level"] == "error"]
    if len(errors) > 1:
        errors.insert(0, Annotation("error", headline(report), state_of_things(report)))
    yield from _folded(errors)
    yield from _folded([_from(remark) for remark in report.remarks if remark["level"] == "warning"])
    uploaded = [
        Annotation("notice", state.capitalize(), f"{file['filename']} {TAKEN[state]} {report.title}.", file["path"])
        for file in report.files
        if (state := file["state"]) in TAKEN
    ]
    yield from _folded(uploaded + [_from(remark) for remark in report.remarks if remark["level"] == "notice"])


def at_terminal(report: Report) -> Iterator[Annotation]:
    """Yield everything that a person has to know, where nothing else tells it: what is equal but for its file, once.

    The last line sums up, and the lines of the files say what was uploaded.
    """
    alike: dict[tuple[str, ...], list[Remark]] = {}
    for remark in sorted(report.remarks, key=lambda remark: LEVELS.index(remark["level"])):
        parts = (remark["level"], remark["title"], remark["detail"], remark["tip"], remark["block"], *remark["links"])
        alike.setdefault(parts, []).append(remark)
    for first, *others in alike.values():
        if not others:
            yield _from(first)
            continue
        paths = dict.fromkeys(each["path"] for each in (first, *others) if each["path"])
        lines = [*paths, first["detail"], first["tip"], first["block"], *first["links"]]
        yield Annotation(first["level"], first["title"], "\n".join(filter(None, lines)))


def headline(report: Report) -> str:
    """Say in one line how it ended."""
    if report.outcome == "published":
        return f"Published to {report.title}"
    if report.outcome == "unchanged":
        return f"Nothing to send to {report.title}"
    if report.outcome == "dry-run":
        return f"Dry run: nothing is wrong, and nothing was sent to {report.title}"
    if report.stopped_by:
        return f"Stopped by {report.stopped_by} while publishing to {report.title}"
    if report.exit_status == NOTHING_SENT:
        return f"Nothing was sent to {report.title}"
    return f"{'Not everything' if report.number(*PUBLIC) else 'Nothing'} is published to {report.title}"


def state_of_things(report: Report) -> str:
    """Say how many files are public, which are not, and what to do about that."""
    return " ".join(filter(None, (counted(report), _missing(report), report.next_step if report.files else "")))


def counted(report: Report) -> str:
    """Say of how many files what is true."""
    if not report.files:
        return "No file was looked at."
    total = files_shown(len(report.files))
    if report.outcome == "dry-run":
        return f"To be sent: {report.number('planned')} of {total}."
    if all(file["state"] in GOOD for file in report.files):
        skipped = report.number("skipped")
        left = f" Left alone, with other content there: {skipped}." if skipped else ""
        return f"On the index: {report.number(*PUBLIC)} of {total}.{left}"
    there = f"{report.on_index} of {total} {'is' if 1 in (report.on_index, len(report.files)) else 'are'} public"
    if _tried(report):
        return f"{there}."
    unknown = f"None of {total} was sent; what the index has of them is not known."
    return f"{there}, none by this run." if report.compared else unknown


def _tried(report: Report) -> bool:
    return any(file["attempts"] for file in report.files)


def _missing(report: Report) -> str:
    missing = [file["filename"] for file in report.files if file["state"] not in GOOD]
    if not missing or not _tried(report) or report.outcome == "dry-run":
        return ""
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"Not published: {', '.join(missing[:SHOWN])}{more}."


def _from(remark: Remark) -> Annotation:
    subject = f"{remark['path']}: " if remark["path"] else ""
    lines = [f"{subject}{remark['detail']}", remark["tip"], remark["block"], *remark["links"]]
    return Annotation(remark["level"], remark["title"], "\n".join(filter(None, lines)), remark["path"])


def _folded(all_of_a_level: list[Annotation]) -> Iterator[Annotation]:
    if len(all_of_a_level) <= SHOWN:
        yield from all_of_a_level
        return
    yield from all_of_a_level[: SHOWN - 1]
    rest = len(all_of_a_level) - SHOWN + 1
    level = all_of_a_level[0].level
    yield Annotation(level, f"{rest} more", f"{rest} more of this kind: the job summary and the report have them all.")
