"""Rules about what a file is called, and how large it is."""

from __future__ import annotations

import os
from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from entrypoint.archive import Contents
from entrypoint.distribution import Distribution
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.rule import Rule

WHEEL_NAME_LIMIT = 255 - len(".metadata")
"""Bytes of a wheel's name: its METADATA is kept beside it under a name that is longer (PEP 658), and names of files end
at 255 bytes. PyPI documents no limit; this one follows from its answer, so it is no more than a warning."""

_RENAMED = "Do not rename built files: change the project and build again."

NAME = Rule("name", "File name and metadata disagree about the name", _RENAMED, pypi="error", elsewhere="error")
VERSION = Rule(
    "version", "File name and metadata disagree about the version", _RENAMED, pypi="error", elsewhere="error"
)
SPELLING = Rule(
    "file-name",
    "The file name is not spelled as today's specification has it",
    "Build with a current build backend: sdists are {name}-{version}.tar.gz, and names have `_` for `-` and `.` and "
    "lower case.",
    pypi="error",
    elsewhere="warning",
)
ZIP = Rule(
    "sdist-zip",
    "An sdist in a ZIP file",
    "Build a .tar.gz, the one format of sdists (PEP 625); with setuptools leave out `--formats=zip`.",
    pypi="error",
    elsewhere="warning",
)
LENGTH = Rule(
    "file-name-length",
    "The file name is very long",
    "Shorten the name of the project or its version, or build fewer platforms into one wheel.",
    pypi="warning",
    elsewhere=None,
)
SIZE = Rule(
    "file-size",
    "The file is larger than the index takes without being asked",
    "Make it smaller, or ask the index for a higher limit; if this project has one, go on.",
    pypi="warning",
    elsewhere="warning",
)


def agreement(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Compare the file name with the metadata inside."""
    found, core = distribution.found, distribution.metadata
    name, version = core.one("name").strip(), core.one("version").strip()
    escaped = canonicalize_name(name).replace("-", "_")
    if canonicalize_name(name) != found.project:
        yield from NAME.broken(index, _differ(found.project, name), f"Start filename for {name!r} with {escaped!r}.")
    if not _same_version(version, found.version):
        said = f"Version in filename should be {version!r} not {found.version!r}."
        if found.kind == "sdist":
            said = _invalid(found.filename, f"{escaped}-{version}.tar.gz")
        yield from VERSION.broken(index, _differ(found.version, version), said)


def spelling(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Compare the file name with the one that a build backend gives today (PEP 625, PEP 427, PEP 440)."""
    found = distribution.found
    name = found.project.replace("-", "_")
    if found.kind == "sdist":
        expected = f"{name}-{found.version}.tar.gz"
        said = _invalid(found.filename, expected)
    else:
        written = found.filename.partition("-")[0]
        expected = f"{name}{found.filename.removeprefix(written)}"
        said = f"Filename {found.filename!r} should contain the normalized project name {name!r}, not {written!r}."
    if found.filename != expected:
        rule = ZIP if found.filename.endswith(".zip") else SPELLING
        yield from rule.broken(index, f"It is {found.filename}, and would be {expected}.", said)


def length(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Look whether the index can keep a wheel's metadata under a name that is longer than its own."""
    found = distribution.found
    size = len(os.fsencode(found.filename))
    if found.kind == "wheel" and size > WHEEL_NAME_LIMIT:
        seen = f"It has {size} bytes. Up to {WHEEL_NAME_LIMIT} are safe; no limit is documented, and the index decides."
        yield from LENGTH.broken(index, seen, f"Filename is too long: {found.filename!r}")


def size(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Compare the size with the limit of the index."""
    found = distribution.found
    if index.file_limit and found.size > index.file_limit:
        limit = index.file_limit // 2**20
        said = f"File too large. Limit for project {found.project!r} is {limit} MB."
        yield from SIZE.broken(index, f"It has {found.size / 2**20:.1f} MiB, {limit} MiB are usual.", said)


def _differ(outside: str, inside: str) -> str:
    return f"The file name says {outside!r}, the metadata inside {inside!r}."


def _invalid(filename: str, expected: str) -> str:
    return f"Filename {filename!r} is invalid, should be {expected!r}."


def _same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other
