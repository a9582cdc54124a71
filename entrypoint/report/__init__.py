"""The report: what became of the release, said the same in log, annotations, summary, outputs and JSON."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

from entrypoint.distribution import Collection, Distribution, Found
from entrypoint.errors import Note, PublishError, Unavailable
from entrypoint.index import Index
from entrypoint.plan import LEFT_ALONE, LEFT_ALONE_TIP, Action, Plan
from entrypoint.runner import Level, shortened, visible
from entrypoint.stock import Match
from entrypoint.upload import PUBLIC, Outcome, State

TEXT_LIMIT = 1000
"""UTF-16 units of a sentence that comes from outside. It is cut after secrets were taken out, never before."""

BLOCK_LIMIT = 3000
"""UTF-16 units of what is shown as it stands: a table of claims has some 1,000, and an annotation holds 4,096."""

SOMETHING_FAILED = 1
"""Exit status: at least one upload request was made, and something failed."""
NOTHING_SENT = 2
"""Exit status: no upload request was made, and something is wrong."""

GOOD: frozenset[State] = PUBLIC | {"skipped", "planned"}
"""States that leave nothing to be done."""


SEND_REST = "Run the job again to send the rest."
PUT_RIGHT = "Put right what is wrong, then run the job again: it sends only what is missing."
RUN_AGAIN = "Run the job again: it finds out what the index has, and sends what is missing."

INTERRUPTED = Unavailable(
    "Stopped while a file was being sent",
    "The run was stopped during this upload; the index may have stored the file or not.",
    RUN_AGAIN,
)

CLOSING = 3
"""Releases that are named with the day on which they are closed."""

PLANNED: Mapping[Action, State] = {
    "upload": "not-attempted",
    "already-present": "already-present",
    "skip": "skipped",
    "conflict": "conflict",
}
"""What is planned for a file → its state, when the plan holds and nothing else became of it."""
UNATTESTED_TIP = (
    "None can be added to a file that is published. For the next release see what it names, or write `attestations: "
    "required` to stop instead."
)
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
    """Something a user has to know: a title, what was seen, what to do (empty where nothing).

    `block` is to be shown as it stands, line by line; `links` are this program's own and may be made clickable.
    """

    level: Level
    title: str
    detail: str
    tip: str
    path: str | None
    rule: str | None
    block: str
    links: list[str]


class Ledger:
    """What is known so far: the one value that grows. Whatever stops the run, this is what gets reported."""

    def __init__(self) -> None:
        self.index: Index | None = None
        self.collection: Collection | None = None
        self.plan: Plan | None = None
        self.settled: Literal["", "dry-run", "publish"] = ""
        """What is done with the plan, once it is known that nothing is wrong with it."""
        self.notes: list[Note] = []
        self.problems: list[PublishError] = []
        self.outcomes: dict[Path, Outcome] = {}
        self.stopped_by: signal.Signals | None = None
        self.closed = False
        """Whether nothing is added any more: it is being reported."""
        self.crash: str | None = None
        """The last line of a traceback: a bug of ours."""

    def started(self, distribution: Distribution) -> None:
        """Note that a file is being sent: what is true of it if this program is stopped in that moment."""
        self.ended(Outcome(distribution, "failed", INTERRUPTED, attempts=1))

    def ended(self, outcome: Outcome) -> None:
        """Note what became of a file."""
        self.outcomes[outcome.distribution.found.path] = outcome


class Report(NamedTuple):
    """What is told, with every secret taken out: all that is printed and written is made of this."""

    outcome: Literal["published", "unchanged", "dry-run", "failed"]
    exit_status: int
    index_name: str
    title: str
    upload_url: str
    stopped_by: str | None
    next_step: str
    """What to do now, in a sentence or two; empty where nothing is left to be done."""
    on_index: int
    """Files that are known to be on the index, with these bytes."""
    compared: bool
    """Whether it is known what the index had of all of them before."""
    releases: list[ReleaseRecord]
    files: list[FileRecord]
    remarks: list[Remark]

    def number(self, *states: State) -> int:
        """Count the files in any of these states."""
        return sum(file["state"] in states for file in self.files)


def make(ledger: Ledger, redact: Callable[[str], str]) -> Report:
    """Draw up the report of what is known."""

    def clean(text: str, limit: int = TEXT_LIMIT) -> str:
        return shortened(visible(redact(text)), limit)

    index = ledger.index
    ready = {each.found.path: each for each in ledger.plan.distributions()} if ledger.plan else {}
    found = {each.path: each for each in ledger.collection.found} if ledger.collection else {}
    # In the order of the plan; files that did not get into it come last.
    files = [_record(ledger, found[path], ready.get(path), clean) for path in dict.fromkeys([*ready, *found])]
    status = _exit_status(ledger, files)
    sent = any(file["state"] in {"uploaded", "accepted"} for file in files)
    there = _on_index(ledger)
    return Report(
        outcome="failed"
        if status
        else "dry-run"
        if ledger.settled == "dry-run"
        else "published"
        if sent
        else "unchanged",
        exit_status=status,
        index_name=index.name if index else "",
        title=clean(index.title) if index else "the index",
        upload_url=clean(index.shown) if index else "",
        stopped_by=ledger.stopped_by.name if ledger.stopped_by else None,
        next_step=clean(_next_step(ledger, there)) if status else "",
        on_index=len(there),
        compared=ledger.plan is not None and ledger.plan.compared,
        releases=list(_releases(ledger.plan, clean)) if ledger.plan else [],
        files=files,
        remarks=[_cleaned(each, clean) for each in _said(ledger)],
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
        blake2b_256=distribution.blake2b.known if distribution else None,
        state=state,
        reason=clean(reason) if reason else None,
        status=outcome.status if outcome else None,
        attempts=outcome.attempts if outcome else 0,
        seconds=outcome.seconds if outcome else 0.0,
        url=ledger.index.page(name, version) if ledger.index else None,
        remote_sha256=_remote_sha256(ledger, found),
        attestations=[clean(each) for each in outcome.attested.logs] if outcome and outcome.attested else [],
    )


def _remote_sha256(ledger: Ledger, found: Found) -> str | None:
    if (outcome := ledger.outcomes.get(found.path)) and outcome.remote_sha256:
        return outcome.remote_sha256
    step = ledger.plan.steps.get(found.path) if ledger.plan else None
    return step.look.sha256 if step else None


def _verdict(ledger: Ledger, found: Found, outcome: Outcome | None) -> tuple[State, str | None]:
    """Give state and reason of a file."""
    if outcome:
        return outcome.state, outcome.error.detail if outcome.error else outcome.reason
    step = ledger.plan.steps.get(found.path) if ledger.plan else None
    if own := [problem for problem in ledger.problems if problem.path == found.shown]:
        reason = " ".join(problem.detail for problem in own)
        return "conflict" if step and step.action == "conflict" else "failed", reason
    if step and ledger.settled and step.action != "upload":
        return PLANNED[step.action], step.reason
    if ledger.settled == "dry-run":
        return "planned", None
    if ledger.stopped_by:
        return "not-attempted", f"Not sent: the run was stopped by {ledger.stopped_by.name} before its turn."
    same = " The index has the same bytes already." if step and step.look.match is Match.SAME else ""
    return "not-attempted", f"Not sent: something else was wrong, and nothing is sent before all is right.{same}"


def _on_index(ledger: Ledger) -> set[Path]:
    """Find the files that are known to be on the index with these bytes, whether this run sent them or not."""
    steps = ledger.plan.steps if ledger.plan else {}
    return {path for path, step in steps.items() if step.look.match is Match.SAME} | {
        path for path, outcome in ledger.outcomes.items() if outcome.state in PUBLIC
    }


def _next_step(ledger: Ledger, there: set[Path]) -> str:
    """Say what to do about files that are missing on the index, and by when."""
    errors = [*ledger.problems, *(each.error for each in ledger.outcomes.values() if each.error)]
    advice = SEND_REST if all(isinstance(each, Unavailable) for each in errors) and not ledger.crash else PUT_RIGHT
    closing = " ".join(_closing(ledger.plan, there)) if ledger.plan and there else ""
    return f"{advice} {closing}".strip()


def _closing(plan: Plan, there: set[Path]) -> Iterator[str]:
    days: dict[date, list[str]] = {}
    for release in plan.releases:
        public = [each.found.path in there for each in release.distributions]
        if any(public) and not all(public) and (day := plan.closes(release)):
            days.setdefault(day.date(), []).append(f"{release.name} {release.version}")
    for on, names in sorted(days.items()):
        more = f" and {len(names) - CLOSING} more" if len(names) > CLOSING else ""
        yield f"{plan.index.title} closes {', '.join(names[:CLOSING])}{more} on {on}."


def _said(ledger: Ledger) -> Iterator[Remark]:
    """Yield everything there is to say, the worst first."""
    if ledger.crash:
        yield _new("error", "A bug in publish-action", ledger.crash, REPORT_IT)
    if ledger.stopped_by:
        detail = "The job was cancelled, or its machine is going down."
        yield _new("error", f"Stopped by {ledger.stopped_by.name}", detail, RUN_AGAIN)
    for problem in ledger.problems:
        yield _of(problem, problem.path)
    for outcome in ledger.outcomes.values():
        path = outcome.distribution.found.shown
        if error := outcome.error:
            yield _of(error, path)
        elif outcome.state == "skipped":
            yield _new("warning", LEFT_ALONE, outcome.reason or "", LEFT_ALONE_TIP, path)
    yield from _unattested([outcome for outcome in ledger.outcomes.values() if outcome.unattested])
    for note in ledger.notes:
        yield _new(note.level, note.title, note.whole, note.tip, note.path, note.rule, note.block, note.links)


def _unattested(outcomes: Sequence[Outcome]) -> Iterator[Remark]:
    """Say once for all files that are published without their attestations why that is."""
    if outcomes:
        names = [each.distribution.found.filename for each in outcomes]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        detail = f"{outcomes[0].unattested} {names[0]}{more} went without."
        yield _new("warning", "Published without attestations", detail, UNATTESTED_TIP)


def _of(error: PublishError, path: str | None) -> Remark:
    return _new("error", error.title, error.detail, error.tip, path, error.rule, error.block, error.links)


def _new(
    level: Level,
    title: str,
    detail: str,
    tip: str,
    path: str | None = None,
    rule: str = "",
    block: str = "",
    links: Iterable[str] = (),
) -> Remark:
    return Remark(
        level=level, title=title, detail=detail, tip=tip, path=path, rule=rule or None, block=block, links=list(links)
    )


def _cleaned(remark: Remark, clean: Callable[..., str]) -> Remark:
    return _new(
        remark["level"],
        clean(remark["title"]),
        clean(remark["detail"]),
        clean(remark["tip"]),
        clean(remark["path"]) if remark["path"] else None,
        remark["rule"] or "",
        clean(remark["block"], BLOCK_LIMIT),
        map(clean, remark["links"]),
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
    without = ", without attestations" if outcome.unattested else ""
    return f"  {outcome.state:<8}  {filename}  ({outcome.seconds:.1f} s{answer}{without}){f': {why}' if why else ''}"
