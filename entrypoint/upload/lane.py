"""Lanes: how many files of one project are on their way at a time, and whether the rest still goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from entrypoint.upload.outcome import Outcome, Scope

AT_ONCE = 16
"""Uploads in flight at most, over all projects."""

WEARY = 3
"""Files in a row that were tried in vain as often as may be, after which the index counts as down. A thousand files
would otherwise take hours to fail."""


class Traffic:
    """What all projects share: the uploads in flight, and what stops every one of them."""

    def __init__(self) -> None:
        self.slots = threading.Semaphore(AT_ONCE)
        self.stopped: Outcome | None = None
        """The failure that holds for the whole index."""
        self.halted = False
        """Whether nothing more is to be begun."""
        self.in_vain = 0
        """Files in a row that found no answer."""


class Lane:
    """The uploads of one project."""

    def __init__(self, traffic: Traffic, width: int) -> None:
        self._traffic = traffic
        self._width = width
        self._busy = 0
        self._change = threading.Condition()
        self._stopped: Outcome | None = None

    @property
    def stopped(self) -> Outcome | None:
        """The failure that holds for what is left of the project."""
        return self._stopped or self._traffic.stopped

    @property
    def open(self) -> bool:
        """Whether more uploads may be begun."""
        return not self._traffic.halted and self.stopped is None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until one more upload may be in flight, and let it be."""
        with self._change:
            self._change.wait_for(lambda: self._busy < self._width)
            self._busy += 1
        try:
            with self._traffic.slots:
                yield
        finally:
            with self._change:
                self._busy -= 1
                self._change.notify_all()

    def narrow(self) -> None:
        """Go on one at a time: PyPI answers 5xx to uploads that disturb each other (observed, see docs/recovery.md)."""
        with self._change:
            self._width = 1

    def learn(self, outcome: Outcome) -> None:
        """Let a failure stand for everything that it reaches."""
        self._traffic.in_vain = self._traffic.in_vain + 1 if outcome.weary else 0
        if outcome.scope is Scope.INDEX or self._traffic.in_vain >= WEARY:
            self._traffic.stopped = outcome
        elif outcome.scope is Scope.PROJECT:
            self._stopped = outcome
