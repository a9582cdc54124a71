"""Problems with signing in: each has a heading of its own in docs/troubleshooting.md, to which it leads."""

from __future__ import annotations

import re

from entrypoint.errors import CredentialError

PAGE = "https://github.com/org/publish-action/blob/main/docs/troubleshooting.md"


def documented(
    title: str, detail: str, tip: str, *, block: str = "", links: tuple[str, ...] = (), heading: str | None = None
) -> CredentialError:
    """Make an error whose title, or `heading`, is a heading of that page: a test holds the two together."""
    return CredentialError(title, detail, tip, block=block, links=(*links, f"{PAGE}#{anchor(heading or title)}"))


def anchor(heading: str) -> str:
    """Give the fragment that GitHub makes of a heading: lower case, hyphens for blanks, no other punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
