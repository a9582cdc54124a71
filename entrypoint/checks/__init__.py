"""Preflight: what can be known to be wrong with distributions before anybody is asked.

Rules of one file are functions of what was read of it, rules of several files functions of all of them; rules that
need to know what the index has are in `project`. docs/preflight.md has a row for each. The lists in here age, so what
is merely unknown to them is a warning: the index decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from entrypoint.archive import Contents
from entrypoint.checks import description, fields, names, platforms, together, wheel
from entrypoint.distribution import Distribution
from entrypoint.errors import Note
from entrypoint.index import Index

OF_FILE = (
    names.agreement,
    names.spelling,
    names.length,
    names.size,
    fields.newer,
    fields.form,
    fields.urls,
    fields.addresses,
    fields.classifiers,
    description.rendering,
    platforms.tags,
    wheel.license_files,
    wheel.entry_points,
    wheel.format_version,
)
"""Rules of one file."""

OF_SET = (together.same_content, together.one_sdist, together.several, together.agreement)
"""Rules of all files."""


def of_file(distribution: Distribution, contents: Contents, index: Index) -> Iterator[Note]:
    """Yield what is wrong with a file, or doubtful; the notes have no path."""
    for rule in OF_FILE:
        yield from rule(distribution, contents, index)


def of_set(distributions: Sequence[Distribution], index: Index) -> Iterator[Note]:
    """Yield what is wrong with files as soon as they stand side by side; each note has its path."""
    for rule in OF_SET:
        yield from rule(distributions, index)
