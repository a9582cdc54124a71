"""The change log: what is unreleased becomes the section of a release."""

from __future__ import annotations

import re
from datetime import date

from release.errors import ReleaseError
from release.versions import Version

UNRELEASED = "## Unreleased"
REBUILT = "- Rebuilt with the security updates of the base image. Nothing else changes."
_SECTION = re.compile(r"^## .*$", re.MULTILINE)


def section(text: str, version: Version) -> str:
    """Give what the change log says about a version, without its heading."""
    return _body(text, rf"## {re.escape(str(version))} \(\d{{4}}-\d\d-\d\d\)", f"## {version} (DATE)")


def cut(text: str, version: Version, day: date, *, rebuild: bool = False) -> str:
    """Put a heading with version and date under `## Unreleased`, so that what was unreleased is the release's.

    A release has something to say: without a line under `## Unreleased` it is refused. A rebuild says what it is, and
    is refused where there is a line, for that would be a change which its version hides.
    """
    unreleased = _body(text, re.escape(UNRELEASED), UNRELEASED)
    if re.search(rf"^## {re.escape(str(version))}\b", text, re.MULTILINE):
        raise ReleaseError(f"the change log has a section for {version} already")
    if rebuild and unreleased:
        raise ReleaseError("a rebuild has no changes of its own, and there are some under '## Unreleased'")
    if not rebuild and not unreleased:
        raise ReleaseError("nothing stands under '## Unreleased': say what changes for users, or make a rebuild")
    heading = f"{UNRELEASED}\n\n## {version} ({day.isoformat()})\n"
    return text.replace(f"{UNRELEASED}\n", f"{heading}\n{REBUILT}\n" if rebuild else heading, 1)


def _body(text: str, pattern: str, name: str) -> str:
    found = [match for match in _SECTION.finditer(text) if re.fullmatch(pattern, match[0])]
    if len(found) != 1:
        raise ReleaseError(f"one section '{name}' is expected in the change log, {len(found)} found")
    following = _SECTION.search(text, found[0].end())
    return text[found[0].end() : following.start() if following else len(text)].strip()
