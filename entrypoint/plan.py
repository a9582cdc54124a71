"""The plan: what will be sent where, known and settled before the first byte leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from entrypoint import checks
from entrypoint.checks import project as project_rules
from entrypoint.distribution import Distribution, Found, Release, There, nothing_there, read, releases
from entrypoint.errors import DistributionError, Note, PublishError
from entrypoint.index import Index
from entrypoint.simple import Project
from entrypoint.stock import READERS, Inventory, Look, Match, Stock
from entrypoint.threads import Ahead, Once, both, cores, on_all_cores, side_by_side

Action = Literal["upload", "already-present", "skip", "conflict"]

CONFLICT_TIP = (
    "A published file is never replaced: give the release a new version. With `skip-existing: true` the index keeps "
    "what it has, and the run goes on."
)

SMALL = 2**17
"""Bytes below which files are read one after the other: two threads took 1.4 times as long for 1,000 wheels of 20 kB,
1.1 times for 100 kB, 0.8 times for 200 kB, and 0.6 times for 20 MB (2 cores, CPython 3.11, 2026-11)."""

_Read = tuple[Distribution | None, list[Note], DistributionError | None]
"""What came of reading a file."""

LEFT_ALONE = "Other content is left alone"
LEFT_ALONE_TIP = (
    "The index keeps what it has (`skip-existing: true`). Look whether that is the release you mean: a new version is "
    "the way to publish this content."
)


class Lenience(NamedTuple):
    """How the user wants what was noticed to be taken."""

    strict: bool = False
    """Whether warnings are errors."""
    verify_metadata: bool = True
    """Whether what an index may yet take is an error."""

    def judged(self, note: Note) -> Note:
        """Give a note the level that it has for this user."""
        if note.level == "error" and not self.verify_metadata and not note.final:
            return note._replace(level="warning")
        if note.level == "warning" and self.strict:
            return note._replace(level="error")
        return note


class Examined(NamedTuple):
    """The files, read, and what was noticed about them without asking anybody."""

    distributions: tuple[Distribution, ...]
    notes: tuple[Note, ...]
    problems: tuple[PublishError, ...]
    """Of files that could not be read."""

    @property
    def wrong(self) -> bool:
        """Whether nothing will be sent, whatever the index has."""
        return bool(self.problems) or any(note.level == "error" for note in self.notes)


class Step(NamedTuple):
    """What is to be done with one file."""

    distribution: Distribution
    action: Action
    look: Look
    """What the index has under its name."""
    reason: str | None = None
    """A sentence, where it is not simply to be uploaded."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What this run is going to do, or why it cannot."""

    index: Index
    releases: tuple[Release, ...]
    steps: Mapping[Path, Step]
    """For every file that could be read, exactly one."""
    projects: Mapping[str, Project | None]
    """What the index has, by normalised name; `None` where that is not known, nothing where it was not asked."""
    notes: tuple[Note, ...]
    """What was noticed, below the level of an error."""
    problems: tuple[PublishError, ...]
    skip_existing: bool
    made: datetime

    def check(self) -> None:
        """Raise an `ExceptionGroup` of the problems, if there are any."""
        if self.problems:
            raise ExceptionGroup("unpublishable distributions", self.problems)

    def distributions(self) -> Iterator[Distribution]:
        """Yield every file in the order in which they are sent."""
        for release in self.releases:
            yield from release.distributions

    def sending(self) -> Iterator[Release]:
        """Yield the releases with the files that are to be sent."""
        for release in self.releases:
            if files := tuple(self._with("upload", release)):
                yield release._replace(distributions=files)

    def files(self, action: Action) -> list[Distribution]:
        """Give the files of which this is to be done, in the order in which they are sent."""
        return [each for release in self.releases for each in self._with(action, release)]

    def hash_all(self) -> None:
        """Work out what of the hashes of files that are to be sent is not known yet, on all cores."""
        side_by_side(lambda each: each.blake2b_256, self.files("upload"), cores())

    @property
    def compared(self) -> bool:
        """Whether it is known what the index has of every project."""
        return all(self.projects.get(release.project) for release in self.releases)

    def begun(self, release: Release) -> bool:
        """Tell whether the index has files of this release already."""
        project = self.projects.get(release.project)
        return project is not None and bool(project.of_version(release.version))

    def closes(self, release: Release) -> datetime | None:
        """Tell when the index stops taking files of a release, if it has one now or gets it today."""
        if self.index.closes_after is None:
            return None
        project = self.projects.get(release.project)
        opened = project and project_rules.opened_at(release, project)
        return (opened or self.made) + timedelta(days=self.index.closes_after)

    def lines(self) -> Iterator[str]:
        """Yield the plan as a person reads it in the log: a table for each release, with both hashes."""
        condition = ", as soon as nothing is wrong" if self.problems else ""
        yield f"To {self.index.title} ({self.index.shown}){condition}:"
        for release in self.releases:
            yield f"  {release.name} {release.version}"
            rows = [_row(self.steps[each.found.path]) for each in release.distributions]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            for row in rows:
                cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                yield f"    {'  '.join(cells)}".rstrip()

    def _with(self, action: Action, release: Release) -> Iterator[Distribution]:
        return (each for each in release.distributions if self.steps[each.found.path].action == action)


NOT_ADDED = " They have no attestations there, and none can be added."


def look(
    examine: Callable[[There], Examined], take: Callable[[], Inventory], *, at_once: bool
) -> tuple[Examined, Inventory]:
    """Read the files and the index: both at once, or the index only when nothing is wrong with the files."""
    if at_once:
        inventory = Once(take)
        known, examined = both(inventory.get, lambda: examine(lambda found: inventory.get().sha256(found)))
        return examined, known
    examined = examine(nothing_there)
    return examined, Inventory({}) if examined.wrong else take()


def examine(index: Index, files: Sequence[Found], lenience: Lenience, there: There = nothing_there) -> Examined:
    """Read every file and apply every rule that needs no server, on all cores."""
    ahead = Ahead()

    def one(found: Found) -> _Read:
        try:
            distribution, contents, notes = read(found, index, there, ahead)
        except DistributionError as error:
            return None, [], error
        notes += checks.of_file(distribution, contents, index)
        return distribution, [note._replace(path=found.shown) for note in notes], None

    answers = on_all_cores(one, files, lambda each: each.size >= SMALL)
    distributions = tuple(each for each, _, _ in answers if each)
    notes = [note for _, said, _ in answers for note in said]
    notes += checks.of_set(distributions, index)
    return Examined(distributions, tuple(map(lenience.judged, notes)), tuple(error for _, _, error in answers if error))


def make(
    index: Index,
    examined: Examined,
    inventory: Inventory,
    stock: Stock,
    lenience: Lenience,
    *,
    skip_existing: bool,
    attest: bool = False,
    now: datetime,
) -> Plan:
    """Settle what is to be done with every file; `attest`: whether files are sent with attestations."""
    projects = inventory.projects

    def step(distribution: Distribution) -> Step:
        look = stock.compare(distribution, projects.get(distribution.found.project))
        return _step(distribution, look, skip_existing=skip_existing, attest=attest)

    steps = {each.distribution.found.path: each for each in side_by_side(step, examined.distributions, READERS)}
    planned = releases(examined.distributions)
    notes = [*examined.notes, *_skipped(steps.values())]
    for release in planned:
        if project := projects.get(release.project):
            missing = [each for each in release.distributions if steps[each.found.path].action == "upload"]
            notes += map(lenience.judged, project_rules.of_release(release, missing, project, index, now))
    notes = list(dict.fromkeys(notes))  # what holds for a project is said once, not for each of its releases
    if None in projects.values():
        notes.append(_not_compared(index, inventory.why))
    problems = (
        *examined.problems,
        *inventory.problems,
        *(_error(note) for note in notes if note.level == "error"),
        *(_conflict(each) for each in steps.values() if each.action == "conflict"),
    )
    kept = tuple(note for note in notes if note.level != "error")
    return Plan(index, planned, steps, projects, kept, problems, skip_existing, now)


def differs(distribution: Distribution, look: Look) -> str:
    """Say how a file differs from what the index has under its name."""
    return f"Here sha256 {distribution.sha256}, on the index {look.shown}."


def files_shown(number: int) -> str:
    """Write a number of files as people read it: `1 file`, `2 files`."""
    return "1 file" if number == 1 else f"{number} files"


def bytes_shown(size: int) -> str:
    """Write a size as people read it: `512 B`, `30.2 kB`, `1.1 GB`."""
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 1000:  # noqa: PLR2004 - SI prefixes go by thousands
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _step(distribution: Distribution, look: Look, *, skip_existing: bool, attest: bool) -> Step:
    if look.match is Match.SAME:
        bare = attest and look.remote is not None and look.remote.provenance is None
        reason = "The index has the same bytes." + (NOT_ADDED if bare else "")
        return Step(distribution, "already-present", look, reason)
    if look.match is Match.ABSENT or look.remote is None:
        return Step(distribution, "upload", look)
    reason = differs(distribution, look) if look.match is Match.OTHER else look.why
    return Step(distribution, "skip" if skip_existing else "conflict", look, reason)


def _row(step: Step) -> tuple[str, ...]:
    found, there = step.distribution.found, step.look.sha256
    remote = f"on the index {there[:12]}…" if there and step.action != "already-present" else ""
    hashes = (f"sha256 {step.distribution.sha256[:12]}…", remote)
    return (step.action.replace("-", " "), found.filename, bytes_shown(found.size), *hashes)


def _skipped(steps: Iterable[Step]) -> Iterator[Note]:
    for step in steps:
        if step.action == "skip":
            yield Note(
                "warning",
                LEFT_ALONE,
                step.reason or "",
                step.distribution.found.shown,
                LEFT_ALONE_TIP,
            )


def _conflict(step: Step) -> DistributionError:
    known = step.look.match is Match.OTHER
    title = "Other content under this name" if known else "A file of this name, of unknown content"
    return DistributionError(
        title, step.reason or "", CONFLICT_TIP, path=step.distribution.found.shown, rule="conflict"
    )


def _not_compared(index: Index, why: str) -> Note:
    title = "Not compared with the index"
    if why:
        return Note("notice", title, why)
    return Note(
        "notice",
        title,
        f"It is not known where {index.title} shows its files, and none of these projects was found beside the upload "
        "URL: the files are sent without a look at what is there.",
        tip="Give `check-url`, the root of its simple index.",
    )


def _error(note: Note) -> DistributionError:
    tip = note.tip or "`strict: true` makes an error of this warning; without it the file is sent."
    return DistributionError(note.title, note.whole, tip, path=note.path, rule=note.rule)
