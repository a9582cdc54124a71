"""Pages: what is read from HTML. `html.parser` takes 2 ms to import, so this is imported where there is a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import unquote

_ARCHIVES = (".whl", ".tar.gz", ".zip", ".egg", ".tar.bz2", ".tgz", ".exe", ".msi", ".rpm")
"""What the names of distributions ended with, now and in the past."""


class Anchor:
    """An `a` element that leads somewhere."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self.attributes = attributes
        self.text = ""

    @property
    def filename(self) -> str:
        """The end of the target, like pip, else the text; the two are the same by PEP 503."""
        end = unquote(re.split(r"[?#]", self.attributes["href"])[0].rpartition("/")[2])
        return end if _archive(end) else self.text.strip()

    @property
    def names_archive(self) -> bool:
        """Whether it stands for a file of a project, and not for another page."""
        return _archive(self.filename)


def _archive(filename: str) -> bool:
    return filename.lower().endswith(_ARCHIVES)


class Page(HTMLParser):
    """Collects what a page of the simple index says (PEP 503, 629, 714, 740, 792)."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: list[Anchor] = []
        self.metas: dict[str, str] = {}
        self.base = ""
        self.heading = ""
        self.password = False
        self._inside: Literal["", "a", "title", "h1"] = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element."""
        attributes = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in attributes:
            self.anchors.append(Anchor(attributes))
        elif tag == "meta":
            self.metas.setdefault(attributes.get("name", "").lower(), attributes.get("content", ""))
        elif tag == "base":
            self.base = self.base or attributes.get("href", "")
        elif tag == "input" and attributes.get("type", "").lower() == "password":
            self.password = True
        if tag in ("a", "title", "h1"):
            self._inside = tag  # type: ignore[assignment]  # one of the three

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        """Keep its text."""
        if self._inside == "a" and self.anchors:
            self.anchors[-1].text += data
        elif self._inside in ("title", "h1") and not self.heading.strip():
            self.heading = data.strip()


class Reasons(HTMLParser):
    """Collects the text of the elements in which servers say why."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"pre": [], "title": [], "h1": []}
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - its signature
        """Enter an element."""
        if tag in self.texts:
            self._inside = [tag]

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        if tag in self._inside:
            self._inside = []

    def handle_data(self, data: str) -> None:
        """Keep its text."""
        if self._inside:
            self.texts[self._inside[0]].append(data)
