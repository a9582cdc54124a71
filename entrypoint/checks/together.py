"""Rules that hold between files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from entrypoint.distribution import Distribution, Release, releases
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.rule import Rule, some

TWINS = Rule(
    "same-content-twice",
    "The same content under two names",
    "Keep one of them: one is a renamed copy.",
    pypi="error",
    elsewhere="error",
)
SDISTS = Rule(
    "two-sdists",
    "Two sdists of one version",
    "Keep one of them: a release has one sdist.",
    pypi="error",
    elsewhere="error",
)
SEVERAL = Rule(
    "several-releases",
    "Several releases at once",
    "If one of them is left over from an earlier build, empty the folder before building.",
    pypi="notice",
    elsewhere="notice",
)
AGREEMENT = Rule(
    "agreement",
    "The files of a release do not say the same",
    "Build all files from the same source; what a build may change belongs to `dynamic` in `[project]`.",
    pypi="warning",
    elsewhere="warning",
)

DYNAMIC = (2, 2)
"""The Metadata-Version from which on an sdist promises what its wheels will say, but for Dynamic (PEP 643)."""

STABLE = frozenset(
    {
        "name",
        "version",
        "summary",
        "description",
        "description-content-type",
        "keywords",
        "author",
        "author-email",
        "maintainer",
        "maintainer-email",
        "license",
        "license-expression",
        "classifier",
        "home-page",
        "download-url",
        "project-url",
        "requires-python",
    }
)
"""Fields that no build has a reason to change: compared even where no sdist promises anything."""

OWN = frozenset({"metadata-version", "dynamic"})
"""Fields that each file has for itself."""

VALUE_SHOWN = 80
"""Characters of a value that is quoted when files disagree about it."""


def same_content(distributions: Sequence[Distribution], index: Index) -> Iterator[Note]:
    """Look for the same bytes under two names."""
    first: dict[str, Distribution] = {}
    for each in distributions:
        twin = first.setdefault(each.sha256, each)
        if twin is not each:
            said = f"File already exists ({each.found.filename!r}, with blake2_256 hash {each.blake2b_256!r})."
            yield from _of(each, TWINS.broken(index, f"It is the same as {twin.found.filename}.", said))


def one_sdist(distributions: Sequence[Distribution], index: Index) -> Iterator[Note]:
    """Look for a second sdist of a version."""
    first: dict[tuple[str, str], Distribution] = {}
    for each in distributions:
        if each.found.kind == "sdist":
            other = first.setdefault((each.found.project, each.found.version), each)
            if other is not each:
                said = "Only one sdist may be uploaded per release."
                yield from _of(each, SDISTS.broken(index, f"The other one is {other.found.filename}.", said))


def several(distributions: Sequence[Distribution], index: Index) -> Iterator[Note]:
    """Announce that more than one release goes out; the note is at a file of the second."""
    there = releases(distributions)
    if len(there) > 1:
        seen = f"{len(there)} releases are published: {some(f'{each.project} {each.version}' for each in there)}."
        yield from _of(there[1].distributions[0], SEVERAL.broken(index, seen))


def agreement(distributions: Sequence[Distribution], index: Index) -> Iterator[Note]:
    """Compare the metadata of the files of a release: with the sdist where there is one, else with the first wheel."""
    for release in releases(distributions):
        first, *others = sorted(release.distributions, key=lambda each: each.found.kind != "sdist")
        for field in _compared(release):
            keys = _values(first, field).keys()
            if other := next((each for each in others if _values(each, field).keys() != keys), None):
                yield from _of(other, AGREEMENT.broken(index, f"{field.title()}: {_differ(first, other, field)}."))


def _compared(release: Release) -> list[str]:
    """Give the fields that all files must agree about, in the order of the alphabet."""
    files = release.distributions
    dynamic = {field.strip().lower() for each in files for field in each.metadata.fields.get("dynamic", ())}
    promising = any(each.found.kind == "sdist" and each.metadata.version >= DYNAMIC for each in files)
    promised = {field for each in files for field in each.metadata.fields} if promising else set()
    return sorted((STABLE | promised) - OWN - dynamic)


def _values(distribution: Distribution, field: str) -> dict[str, str]:
    """Give the values of a field as they are compared, in one order and without blanks, and as they are written."""
    core = distribution.metadata
    given = (core.description,) if field == "description" else core.fields.get(field, ())
    return {"".join(each.split()): each for each in sorted(given) if each.strip()}


def _differ(one: Distribution, other: Distribution, field: str) -> str:
    """Say what only one of two files has; where it is long, only that it has something."""
    ones, others = _values(one, field), _values(other, field)
    said = []
    for each, mine, theirs in ((one, ones, others), (other, others, ones)):
        alone = [value for key, value in mine.items() if key not in theirs]
        if any(len(value) > VALUE_SHOWN for value in alone):
            return f"{one.found.filename} and {other.found.filename} differ"
        if alone:
            said.append(f"only {each.found.filename} has {some(map(repr, alone))}")
    return "; ".join(said)


def _of(distribution: Distribution, notes: Iterator[Note]) -> Iterator[Note]:
    return (note._replace(path=distribution.found.shown) for note in notes)
