"""Rules of the preflight: what is looked at, and how bad it is, which depends on who would refuse the file.

Each rule is one row of docs/preflight.md. What PyPI's server refuses is mostly no reason to keep a file from another
index, whose installers may take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.runner import Level

SHOWN = 3
"""Members, fields and the like that a message names before it counts."""


class Rule(NamedTuple):
    """Something that is checked before anything is sent."""

    name: str
    title: str
    """What is wrong when it is broken."""
    tip: str
    """What to do."""
    pypi: Level | None
    """How bad it is on an index that runs PyPI's server; `None`: not looked at."""
    elsewhere: Level | None
    final: bool = False
    """Whether an error stays one with `verify-metadata: false`."""

    def broken(self, index: Index, detail: str, prevents: str = "") -> Iterator[Note]:
        """Yield the note of a file that breaks the rule: what was seen, and what PyPI would answer."""
        level = self.pypi if index.warehouse else self.elsewhere
        if level:
            said = prevents if index.warehouse else ""
            yield Note(level, self.title, detail, None, self.tip, self.name, said, self.final)


def some(names: Iterable[str]) -> str:
    """Name the first of many, and count the rest."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
