"""Verdicts: what an index means by its answer to an upload."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple


class Verdict(enum.Enum):
    """What an answer to an upload means: where the dialect of every index ends."""

    STORED = "stored"
    """The file is there. PyPI says so too when it had the same file before."""
    ACCEPTED = "accepted"
    """Taken, stored later: only the simple index will tell."""
    UNCONFIRMED = "unconfirmed"
    """Friendly, but not the words of an upload API: only the simple index will tell."""
    EXISTS = "exists"
    """The file name is taken. By what content, the answer does not say: compare hashes."""
    USED = "used"
    """The file name was there and is gone for good, says the index; in a race PyPI says so wrongly: compare hashes."""
    RACED = "raced"
    """Somebody may be making the same project in this moment: what is refused now may be taken in the next."""
    MISNAMED = "misnamed"
    """The index does not take the name of the project."""
    REFUSED = "refused"
    """A final no to this file."""
    UNAUTHORIZED = "unauthorized"
    """The credential is missing, wrong, expired or of a kind the index does not take."""
    FORBIDDEN = "forbidden"
    """The credential is known and not enough; some servers say so to a wrong password (pypiserver 2.4.2)."""
    MISDIRECTED = "misdirected"
    """Nothing takes uploads at this URL."""
    TOO_LARGE = "too-large"
    """The file is larger than the index, or a proxy before it, takes."""
    UNATTESTED = "unattested"
    """The file would be taken without its attestations."""
    CLOSED = "closed"
    """Not now: the index is read-only or takes no new projects. Later, in another job."""
    UNAVAILABLE = "unavailable"
    """No final answer: ask again. The file may be stored all the same."""


class Sign(NamedTuple):
    """Words of an answer that say more than its status."""

    statuses: tuple[int, ...]
    words: str
    """In lower case, anywhere in the answer; empty: whatever is said."""
    verdict: Verdict


_PAGES = (
    # A web page instead of an upload API's answer: a wrong path, or a login form (reported for PyPI's own upload host
    # when the form lacks `:action`). Upload APIs are asked for JSON or plain text first.
    Sign((200, 201), "<!doctype html", Verdict.UNCONFIRMED),
    Sign((200, 201), "<html", Verdict.UNCONFIRMED),
)

ANYWHERE = (
    *_PAGES,
    Sign((409,), "", Verdict.EXISTS),  # pypiserver 2.4.2, devpi 6.20.3, pypicloud 1.3.12 (observed); Gitea's source
    Sign((400,), "already exist", Verdict.EXISTS),  # Artifact Registry (twine#816); pulp_python 3.37.1 (observed)
    Sign((400,), "already been taken", Verdict.EXISTS),  # GitLab's source: "File name has already been taken"
    Sign((400,), "updating asset", Verdict.EXISTS),  # Nexus (twine#693, 2020): "does not allow updating assets"
    Sign((400,), "cannot be updated", Verdict.EXISTS),  # Nexus since its new database (sonatype/nexus-public#696, 2025)
    Sign((403,), "overwrite", Verdict.EXISTS),  # Artifactory, no delete right; changing words (twine#332, twine#1251)
    Sign((400, 403), "already contains file", Verdict.EXISTS),  # Azure Artifacts (reported; the status is unverified)
    Sign((400,), "file is too large", Verdict.TOO_LARGE),  # GitLab's source
)
"""What servers other than PyPI say, 2026-08. They are told apart too rarely to give each its own list."""

PYPI = (
    *_PAGES,
    # PyPI's source, 2026-08-21.
    Sign((400,), "file already exists", Verdict.EXISTS),
    Sign((400,), "previously used by a file that has since been deleted", Verdict.USED),
    Sign((400,), "file too large", Verdict.TOO_LARGE),
    Sign((400,), "invalid attestations supplied during upload", Verdict.UNATTESTED),  # the last check before storing
    Sign((403,), "temporarily disabled", Verdict.CLOSED),  # read-only mode, new uploads, new projects
    Sign((403,), "invalid or non-existent authentication", Verdict.UNAUTHORIZED),
    Sign((403,), "username/password authentication", Verdict.UNAUTHORIZED),
    Sign((403,), "token is expired", Verdict.UNAUTHORIZED),
    Sign((403,), "signatures do not match", Verdict.UNAUTHORIZED),
    # Two first uploads of one project raced (both observed on a local instance): the other one made it by now.
    Sign((409,), "conflicts with an existing project", Verdict.RACED),
    Sign((400,), "too similar to an existing project", Verdict.RACED),
    Sign((400,), "the name '", Verdict.MISNAMED),  # … isn't allowed, … is invalid
    Sign((400,), "cannot create new projects", Verdict.FORBIDDEN),  # a trusted publisher of another project
    Sign((400,), "organization account owning this project", Verdict.FORBIDDEN),
    Sign((429,), "too many new projects", Verdict.CLOSED),
)
"""What PyPI and TestPyPI say."""

_BY_STATUS = {
    200: Verdict.STORED,
    201: Verdict.STORED,  # GitLab, Gitea (source)
    202: Verdict.ACCEPTED,  # Pulp (observed)
    401: Verdict.UNAUTHORIZED,
    403: Verdict.FORBIDDEN,
    404: Verdict.MISDIRECTED,
    405: Verdict.MISDIRECTED,
    408: Verdict.UNAVAILABLE,
    410: Verdict.MISDIRECTED,  # PyPI's retired actions and pre-2018 hosts
    413: Verdict.TOO_LARGE,
    425: Verdict.UNAVAILABLE,
    429: Verdict.UNAVAILABLE,
    499: Verdict.UNAVAILABLE,  # a proxy's note that a connection went away (reported for PyPI)
    501: Verdict.REFUSED,
    505: Verdict.REFUSED,
}
_BY_CLASS = {
    2: Verdict.UNCONFIRMED,  # Artifactory answers 204 to a wrong path and stores nothing (hatch#1219)
    3: Verdict.MISDIRECTED,
    5: Verdict.UNAVAILABLE,
}


def verdict(signs: Iterable[Sign], status: int, said: str) -> Verdict:
    """Read an answer: the first sign that fits, otherwise its status."""
    said = " ".join(said.lower().split())
    for sign in signs:
        if status in sign.statuses and sign.words in said:
            return sign.verdict
    return _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, Verdict.REFUSED)
