"""Whether the description renders, by the library with which PyPI renders it.

Of the three content types only reStructuredText can fail: Markdown and plain text always give something. PyPI takes a
description without a content type for reStructuredText (warehouse, 2026-08).
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from entrypoint.archive import Contents
from entrypoint.distribution import Distribution
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.rule import Rule

RENDERED_LIMIT = 2**20
"""Characters of a description that is rendered; docutils may take 10 s for as many."""

RENDER_SECONDS = 10.0
"""For rendering one description: what its author wrote may cost anything."""

DESCRIPTION = Rule(
    "description",
    "The description does not render",
    "Correct the file that `readme` names; `python -m readme_renderer FILE` renders it here. Or write it in Markdown.",
    pypi="error",
    elsewhere="warning",
)
CONTENT_TYPE = Rule(
    "content-type",
    "The description has no content type",
    "Let `readme` in `[project]` name a file that ends in .md or .rst: the type follows from that.",
    pypi="warning",
    elsewhere="warning",
)
NOT_RENDERED = Rule(
    "not-rendered",
    "It is not known whether the description renders",
    "Make it shorter and simpler; nobody reads one that docutils cannot cope with.",
    pypi="warning",
    elsewhere="warning",
)

_asking = threading.Lock()
"""Held while the cache is asked: the files of a release are read side by side, and share one description."""

_rendering = threading.Lock()
"""Held while docutils runs, which keeps roles and directives in global registries. One that never ends keeps it."""


class Fault(NamedTuple):
    """Why a description cannot be counted on to render."""

    rule: Rule
    seen: str


def rendering(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Render the description as PyPI does."""
    core = distribution.metadata
    text, declared = core.description.strip(), core.one("description-content-type").strip()
    if not text or text == "UNKNOWN":
        return
    if not declared:
        seen = f"It has {len(text)} characters and no Description-Content-Type; PyPI takes that for reStructuredText."
        yield from CONTENT_TYPE.broken(index, seen)
    if declared.partition(";")[0].strip().lower() not in {"", "text/x-rst"}:
        return
    if fault := _fault(core.description):
        said = f"The description failed to render for '{declared}'."
        if not declared:
            said = "The description failed to render in the default format of reStructuredText."
        yield from fault.rule.broken(index, fault.seen, said if fault.rule is DESCRIPTION else "")


def _fault(text: str) -> Fault | None:
    if len(text) > RENDERED_LIMIT:
        return Fault(NOT_RENDERED, f"It has {len(text)} characters; up to {RENDERED_LIMIT} are rendered.")
    with _asking:
        return _asked(text)


@lru_cache(maxsize=16)
def _asked(text: str) -> Fault | None:
    if _rendering.locked():
        return Fault(NOT_RENDERED, "docutils has not come to an end with another description yet.")
    answers: list[Fault | None] = []

    def render() -> None:
        with _rendering:
            answers.append(_rendered(text))

    thread = threading.Thread(target=render, daemon=True)
    thread.start()
    thread.join(RENDER_SECONDS)
    return answers[0] if answers else Fault(NOT_RENDERED, f"It was not rendered within {RENDER_SECONDS:.0f} s.")


def _rendered(text: str) -> Fault | None:
    from readme_renderer import rst  # noqa: PLC0415 - docutils takes 100 ms to import

    messages = io.StringIO()
    try:
        if rst.render(text, stream=messages) is not None:
            return None
    except Exception as error:  # noqa: BLE001 - docutils has bugs, and a description may find one
        return Fault(NOT_RENDERED, f"docutils fails with it: {type(error).__name__}: {error}.")
    first = " ".join(messages.getvalue().partition("\n\n")[0].split())  # after it comes what the message is about
    place = re.match(r"<string>:(\d*): \([A-Z]+/\d\) ", first)  # some faults have no line
    if not place:
        return Fault(DESCRIPTION, first)
    return Fault(DESCRIPTION, f"{f'Line {place[1]}: ' if place[1] else ''}{first[place.end() :]}")
