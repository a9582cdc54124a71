"""The report: what became of the release, said the same in log, annotations, summary, outputs and JSON."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict

from entrypoint.distribution import Collection, Distribution, Found
from entrypoint.errors import Note, PublishError, Unavailable
from entrypoint.index import Index
from entrypoint.plan import Plan
from entrypoint.runner import shortened, visible
from entrypoint.upload import Outcome, State

TEXT_LIMIT = 1000
"""UTF-16 units of a sentence that comes from outside. It is cut after secrets were taken out, never before."""

SOMETHING_FAILED = 1
"""Exit status: at least one upload request was made, and something failed."""
NOTHING_SENT = 2
"""Exit status: no upload request was made, and something is wrong."""

PUBLIC: frozenset[State] = frozenset({"uploaded", "accepted", "already-present"})
"""States of a file that is on the index, or will be."""
GOOD: frozenset[State] = PUBLIC | {"skipped", "planned"}
"""States that leave nothing to be done."""


INTERRUPTED = Unavailable(
    "Stopped while a file was being sent",
    "The run was stopped during this upload; the index may have stored the file or not.",
    "Look at the project's page, then run the job again to send what is missing.",
)


RUN_AGAIN = "Run the job again to send what is missing."
REPORT_IT = "The log has the traceback: please report it with the version of the action to the project's issue tracker."


class FileRecord(TypedDict):
    """What is known of one file. Described in docs/report.md."""

    filename: str
    path: str
    kind: str
    name: str
    version: str
    size: int
    sha256: str | None
    blake2b_256: str | None
    state: State
    reason: str | None
    status: int | None
    attempts: int
    seconds: float
    url: str | None
    remote_sha256: str | None
    attestations: list[str]


class ReleaseRecord(TypedDict):
    """One version of one project; `url` is its page, empty where the index has none."""

    name: str
    version: str
    url: str


class Remark(TypedDict):
    """Something a user has to know: a title, what was seen, what to do (empty where nothing)."""

    level: Literal["error", "warning", "notice"]
    title: str
    detail: str
    tip: str
    path: str | None


@dataclass
class Ledger:
    """What is known so far: the one value that grows. Whatever stops the run, this is what gets reported."""

    index: Index | None = None
    collection: Collection | None = None
    plan: Plan | None = None
    notes: list[Note] = field(default_factory=list)
    problems: list[PublishError] = field(default_factory=list)
    outcomes: dict[Path, Outcome] = field(default_factory=dict)
    stopped_by: signal.Signals | None = None
    closed: bool = False
    """Whether nothing is added any more: it is being reported."""
    crash: str | None = None
    """The last line of a traceback: a bug of ours."""

    def started(self, distribution: Distribution) -> None:
        """Note that a file is being sent: what is true of it if this program is stopped in that moment."""
        self.ended(Outcome(distribution, "failed", INTERRUPTED, attempts=1))

    def ended(self, outcome: Outcome) -> None:
        """Note what became of a file."""
        self.outcomes[outcome.distribution.found.path] = outcome


@dataclass(frozen=True, slots=True)
class Report:
    """What is told, with every secret taken out: all that is printed and written is made of this."""

    outcome: Literal["published", "unchanged", "dry-run", "failed"]
    exit_status: int
    index: str
    title: str
    upload_url: str
    stopped_by: str | None
    releases: list[ReleaseRecord]
    files: list[FileRecord]
    remarks: list[Remark]

    def count(self, *states: State) -> int:
        """Count the files in any of these states."""
        return sum(file["state"] in states for file in self.files)


def make(ledger: Ledger, redact: Callable[[str], str]) -> Report:
    """Draw up the report of what is known."""

    def clean(text: str) -> str:
        return shortened(visible(redact(text)), TEXT_LIMIT)

    index = ledger.index
    ready = {each.found.path: each for each in ledger.plan.distributions()} if ledger.plan else {}
    found = {each.path: each for each in ledger.collection.found} if ledger.collection else {}
    # In the order of the plan; files that did not get into it come last.
    files = [_record(ledger, found[path], ready.get(path), clean) for path in dict.fromkeys([*ready, *found])]
    status = _exit_status(ledger, files)
    sent = any(file["state"] in {"uploaded", "accepted"} for file in files)
    return Report(
        outcome="failed" if status else "published" if sent else "unchanged",
        exit_status=status,
        index=index.name if index else "",
        title=clean(index.title) if index else "the index",
        upload_url=clean(index.shown) if index else "",
        stopped_by=ledger.stopped_by.name if ledger.stopped_by else None,
        releases=list(_releases(ledger.plan, clean)) if ledger.plan else [],
        files=files,
        remarks=[_remark(each, clean) for each in _said(ledger)],
    )


def _releases(plan: Plan, clean: Callable[[str], str]) -> Iterator[ReleaseRecord]:
    for release in plan.releases:
        url = plan.index.page(release.name, release.version) or ""
        yield ReleaseRecord(name=clean(release.name), version=clean(release.version), url=clean(url))


def _record(ledger: Ledger, found: Found, distribution: Distribution | None, clean: Callable[[str], str]) -> FileRecord:
    outcome = ledger.outcomes.get(found.path)
    state, reason = _verdict(ledger, found, outcome)
    name, version = found.project, found.version
    if distribution:
        name, version = distribution.metadata.one("name"), distribution.metadata.one("version")
    return FileRecord(
        filename=clean(found.filename),
        path=clean(found.shown),
        kind=found.kind,
        name=clean(name),
        version=clean(version),
        size=found.size,
        sha256=distribution.sha256 if distribution else None,
        blake2b_256=distribution.blake2b_256 if distribution else None,
        state=state,
        reason=clean(reason) if reason else None,
        status=outcome.status if outcome else None,
        attempts=outcome.attempts if outcome else 0,
        seconds=outcome.seconds if outcome else 0.0,
        url=ledger.index.page(name, version) if ledger.index else None,
        remote_sha256=None,
        attestations=[],
    )


def _verdict(ledger: Ledger, found: Found, outcome: Outcome | None) -> tuple[State, str | None]:
    """Give state and reason of a file."""
    if outcome:
        return outcome.state, outcome.error.detail if outcome.error else outcome.reason
    own = [problem for problem in ledger.problems if problem.path == found.shown]
    if own:
        return "failed", " ".join(problem.detail for problem in own)
    if ledger.stopped_by:
        return "not-attempted", f"Not sent: the run was stopped by {ledger.stopped_by.name} before its turn."
    return "not-attempted", "Not sent: something else was wrong, and nothing is sent before all is right."


def _said(ledger: Ledger) -> Iterator[Remark]:
    """Yield everything there is to say, the worst first."""
    if ledger.crash:
        yield Remark(level="error", title="A bug in publish-action", detail=ledger.crash, tip=REPORT_IT, path=None)
    if ledger.stopped_by:
        title, detail = f"Stopped by {ledger.stopped_by.name}", "The job was cancelled, or its machine is going down."
        yield Remark(level="error", title=title, detail=detail, tip=RUN_AGAIN, path=None)
    for problem in ledger.problems:
        yield Remark(level="error", title=problem.title, detail=problem.detail, tip=problem.tip, path=problem.path)
    for outcome in ledger.outcomes.values():
        if error := outcome.error:
            path = outcome.distribution.found.shown
            yield Remark(level="error", title=error.title, detail=error.detail, tip=error.tip, path=path)
    for note in ledger.notes:
        yield Remark(level=note.level, title=note.title, detail=note.detail, tip=note.tip, path=note.path)


def _remark(remark: Remark, clean: Callable[[str], str]) -> Remark:
    return Remark(
        level=remark["level"],
        title=clean(remark["title"]),
        detail=clean(remark["detail"]),
        tip=clean(remark["tip"]),
        path=clean(remark["path"]) if remark["path"] else None,
    )


def _exit_status(ledger: Ledger, files: list[FileRecord]) -> int:
    """Tell the exit status: 0 when every file is published, 128 + signal when the run was stopped."""
    if ledger.stopped_by:
        return 128 + ledger.stopped_by
    if ledger.problems or ledger.crash or not all(file["state"] in GOOD for file in files):
        return SOMETHING_FAILED if any(file["attempts"] for file in files) else NOTHING_SENT
    return 0


def progress(outcome: Outcome) -> str:
    """Say in a line of the log what became of a file."""
    filename = outcome.distribution.found.filename
    if outcome.state == "not-attempted":
        return f"  not attempted  {filename}"
    answer = f", status {outcome.status}" if outcome.status else ""
    why = outcome.error.detail if outcome.error else outcome.reason
    return f"  {outcome.state}  {filename}  ({outcome.seconds:.1f} s{answer}){f': {why}' if why else ''}"
