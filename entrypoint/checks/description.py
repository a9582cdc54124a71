"""Whether the description renders, by the library with which PyPI renders it.

Of the three content types only reStructuredText can fail: Markdown and plain text always give something. PyPI takes a
description without a content type for reStructuredText (warehouse, 2026-08).
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from entrypoint.archive import Contents
from entrypoint.distribution import Distribution
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.rule import Rule

RENDERED_LIMIT = 2**18
"""Characters of a description that is rendered; docutils needs 3 s for half as many."""

SECONDS, SECONDS_PER = 2, 2**14
"""Of computing for any description, and characters for each of which there is one more."""

PATIENCE = 5
"""Times the seconds of computing that are waited on a busy machine."""

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
        return _rendered(text)


@lru_cache(maxsize=16)
def _rendered(text: str) -> Fault | None:
    import subprocess  # noqa: PLC0415 - 5 ms that Markdown does not need

    seconds = SECONDS + len(text) // SECONDS_PER
    renderer = [sys.executable, "-I", "-X", "utf8", str(Path(__file__).with_name("renderer.py")), str(seconds)]
    try:
        done = subprocess.run(  # noqa: S603 - it is this program, and sees nothing of the environment
            renderer,
            check=False,
            input=text.encode("utf-8", "replace"),
            env={},
            capture_output=True,
            timeout=PATIENCE * seconds,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Fault(NOT_RENDERED, f"It was not rendered within {PATIENCE * seconds} s.")
    except ValueError:  # ended by the system
        return Fault(NOT_RENDERED, f"It was not rendered within {seconds} s of computing, or not within the memory.")
    if "failure" in answer:
        return Fault(NOT_RENDERED, f"docutils fails with it: {answer['failure']}.")
    return _explained(answer["fault"]) if "fault" in answer else None


def _explained(messages: str) -> Fault:
    """Give the first of docutils' messages."""
    first = " ".join(messages.partition("\n\n")[0].split())  # after it comes what the message is about
    place = re.match(r"<string>:(\d*): \([A-Z]+/\d\) ", first)  # some faults have no line
    if not place:
        return Fault(DESCRIPTION, first)
    return Fault(DESCRIPTION, f"{f'Line {place[1]}: ' if place[1] else ''}{first[place.end() :]}")
