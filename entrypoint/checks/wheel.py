"""Rules about what else is in a distribution: licence files, entry points, the version of the wheel format."""

from __future__ import annotations

import re
from collections.abc import Iterator

from entrypoint.archive import Contents
from entrypoint.archive import rules as archives
from entrypoint.distribution import Distribution
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.metadata import LICENSE_FILE
from entrypoint.rule import Rule, some

ENTRY_POINTS_LIMIT = 2**20
"""Bytes of entry_points.txt that are parsed."""

ENTRY_POINTS_LINES = 20_000
"""Lines of entry_points.txt that are parsed: the standard library needs quadratic time for those that are wrong."""

_PARTLY_READ = (archives.NOT_READ.name, archives.UNREADABLE.name)

LICENSE_FILES = Rule(
    "license-file",
    "A licence file is missing",
    "List in `license-files` only files that are there when the distribution is built, relative to the project's root.",
    pypi="error",
    elsewhere="warning",
)
ENTRY_POINTS = Rule(
    "entry-points",
    "entry_points.txt cannot be read",
    "Correct `[project.scripts]` and `[project.entry-points]`: names of letters, digits, `.`, `-` and `_`.",
    pypi="error",
    elsewhere="warning",
)
LONG_ENTRY_POINTS = Rule(
    "entry-points-size",
    "entry_points.txt is too long to be checked",
    "Declare fewer entry points: every program that looks for one reads them all.",
    pypi="warning",
    elsewhere="warning",
)
FORMAT = Rule(
    "wheel-version",
    "A wheel format that today's installers do not know",
    "Build with a backend that writes Wheel-Version 1.0, and without signatures inside (RECORD.jws, RECORD.p7s).",
    pypi="warning",
    elsewhere="warning",
)


def license_files(distribution: Distribution, contents: Contents, index: Index) -> Iterator[Note]:
    """Look for the files that License-File names (PEP 639); where an sdist was not read to its end, nobody can tell."""
    found, core = distribution.found, distribution.metadata
    unread = found.kind == "sdist" and any(note.rule in _PARTLY_READ for note in contents.notes)
    if core.version < LICENSE_FILE or unread:
        return
    folder = f"{contents.root}/licenses" if found.kind == "wheel" else contents.root
    there = set(contents.names)
    named = {each.strip(): f"{folder}/{each.strip()}" for each in core.fields.get("license-file", ())}
    if missing := {name: path for name, path in named.items() if path not in there}:
        name, path = next(iter(missing.items()))
        said = f"License-File {name} does not exist in distribution file {found.filename} at {path}"
        yield from LICENSE_FILES.broken(index, f"There is no {some(missing.values())}.", said)


def entry_points(distribution: Distribution, contents: Contents, index: Index) -> Iterator[Note]:
    """Read entry_points.txt as installers do (entry points specification)."""
    text = contents.texts.get("entry_points.txt", b"")
    if len(text) > ENTRY_POINTS_LIMIT or text.count(b"\n") > ENTRY_POINTS_LINES:
        seen = f"It has more than {ENTRY_POINTS_LINES} lines or {ENTRY_POINTS_LIMIT} bytes."
        yield from LONG_ENTRY_POINTS.broken(index, seen)
    elif fault := _entry_points_fault(text):
        said = f"Wheel {distribution.found.filename!r} has invalid entry points defined in the entry_points.txt file"
        yield from ENTRY_POINTS.broken(index, fault, said)


def format_version(distribution: Distribution, contents: Contents, index: Index) -> Iterator[Note]:
    """Look at Wheel-Version, and for signatures that nobody reads any more."""
    if distribution.found.kind != "wheel":
        return
    written = re.search(rb"(?im)^Wheel-Version:[ \t]*([0-9]{1,9})", contents.texts.get("WHEEL", b""))
    if written and int(written[1]) > 1:
        yield from FORMAT.broken(index, f"The major version in WHEEL is {int(written[1])}; installers know 1.")
    signatures = {f"{contents.root}/RECORD.jws", f"{contents.root}/RECORD.p7s"}
    if old := [name for name in contents.names if name in signatures]:
        yield from FORMAT.broken(index, f"There is {some(old)}.")


def _entry_points_fault(text: bytes) -> str:
    if not text:
        return ""
    import configparser  # noqa: PLC0415 - 2 ms that a wheel without entry points does not need

    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        # Blanks inside a line change nothing but the time that the standard library takes: quadratic in their number.
        parser.read_string(re.sub(r"(?<=\S)[^\S\n]+", " ", text.decode("utf-8")), "entry_points.txt")
    except (configparser.Error, UnicodeDecodeError) as error:
        return f"{' '.join(' '.join(str(error).splitlines()[:3]).split())}."
    scripts = [name for group in ("console_scripts", "gui_scripts") if group in parser for name in parser[group]]
    bad = [name for name in scripts if not re.fullmatch(r"[\w.-]+", name)]
    return f"These are no names of scripts: {some(map(repr, bad))}." if bad else ""
