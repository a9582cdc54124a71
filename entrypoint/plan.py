"""The plan: what will be sent where, known and settled before the first byte leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from entrypoint.distribution import Distribution, Found, Release, read, releases
from entrypoint.errors import DistributionError, Note, PublishError
from entrypoint.index import Index


@dataclass(frozen=True, slots=True)
class Plan:
    """What this run is going to do, or why it cannot."""

    index: Index
    releases: tuple[Release, ...]
    notes: tuple[Note, ...]
    """What was noticed about the files, below the level of an error."""
    problems: tuple[PublishError, ...]

    def check(self) -> None:
        """Raise an `ExceptionGroup` of the problems, if there are any."""
        if self.problems:
            raise ExceptionGroup("unpublishable distributions", self.problems)

    def distributions(self) -> Iterator[Distribution]:
        """Yield every file in the order in which they are sent."""
        for release in self.releases:
            yield from release.distributions

    def lines(self) -> Iterator[str]:
        """Yield the plan as a person reads it in the log."""
        yield f"To {self.index.title} ({self.index.shown}):"
        for release in self.releases:
            yield f"  {release.name} {release.version}"
            for each in release.distributions:
                yield f"    upload  {each.found.filename}  {bytes_shown(each.found.size)}"


def make(index: Index, files: Iterable[Found], *, strict: bool, verify_metadata: bool) -> Plan:
    """Read every file and settle what is to be done with it.

    `strict` makes errors of warnings; without `verify_metadata`, what an index may yet take is only a warning.
    """
    notes: list[Note] = []
    problems: list[PublishError] = []
    distributions: list[Distribution] = []
    for found in files:
        try:
            distribution, said = read(found)
        except DistributionError as error:
            problems.append(error)
            continue
        distributions.append(distribution)
        said += _newer_than_index(index, distribution)
        notes += (_judged(note, strict=strict, verify_metadata=verify_metadata) for note in said)
    problems += (_error(note) for note in notes if note.level == "error")
    return Plan(index, releases(distributions), tuple(note for note in notes if note.level != "error"), tuple(problems))


def bytes_shown(size: int) -> str:
    """Write a size as people read it: `512 B`, `30.2 kB`, `1.1 GB`."""
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 1000:  # noqa: PLR2004 - SI prefixes go by thousands
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _judged(note: Note, *, strict: bool, verify_metadata: bool) -> Note:
    if note.level == "error" and not verify_metadata:
        return replace(note, level="warning")
    if note.level == "warning" and strict:
        return replace(note, level="error")
    return note


def _newer_than_index(index: Index, distribution: Distribution) -> Iterator[Note]:
    newest = tuple(map(int, (index.newest_metadata or "").split("."))) if index.newest_metadata else ()
    version = distribution.metadata.version
    if newest and version > newest:
        yield Note(
            "warning",
            "Metadata newer than the index is known to take",
            f"Metadata-Version {distribution.metadata.one('metadata-version')}; {index.title} was known to take "
            f"{index.newest_metadata} at most when this program was written. It is sent; the index decides.",
            distribution.found.shown,
        )


def _error(note: Note) -> DistributionError:
    tip = note.tip or "`strict: true` makes an error of this warning; without it the file is sent."
    return DistributionError(note.title, note.detail, tip, path=note.path)
