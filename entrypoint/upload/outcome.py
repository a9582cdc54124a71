"""What became of a file."""

from __future__ import annotations

import enum
from typing import Literal, NamedTuple

from entrypoint.distribution import Attested, Distribution
from entrypoint.errors import PublishError

State = Literal["uploaded", "accepted", "already-present", "skipped", "conflict", "failed", "not-attempted", "planned"]

PUBLIC: frozenset[State] = frozenset({"uploaded", "accepted", "already-present"})
"""States of a file that is on the index, or will be."""


class Scope(enum.Enum):
    """How far the reason of a failure reaches."""

    FILE = "this file"
    PROJECT = "its project"
    INDEX = "the whole index"


class Outcome(NamedTuple):
    """What became of one distribution."""

    distribution: Distribution
    state: State
    error: PublishError | None = None
    """Why it failed; `None` where it did not."""
    reason: str | None = None
    """A sentence about a state that is no failure, or about a file that was not tried."""
    status: int | None = None
    """Last HTTP status."""
    attempts: int = 0
    """Upload requests begun."""
    seconds: float = 0.0
    scope: Scope = Scope.FILE
    """What else cannot go on for the same reason."""
    weary: bool = False
    """Whether it failed for want of an answer, though it was tried as often as may be."""
    remote_sha256: str | None = None
    """What the index has under the name, hex, where it was asked and said so."""
    attested: Attested | None = None
    """What attests the file, where it was sent along."""
    unattested: str = ""
    """Why it was sent without its attestations, as a sentence."""
