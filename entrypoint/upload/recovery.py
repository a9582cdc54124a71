"""Recovery: one file is sent, looked for and sent again until it is known what became of it.

An answer may be lost, wrong or not the last word. So what is not certain is settled by the simple index and by hash:
before a file is sent again, after the index said that the name is taken, and after an answer that confirms nothing.
docs/recovery.md has the states as a table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from entrypoint.distribution import Distribution
from entrypoint.errors import Refused
from entrypoint.index import Verdict
from entrypoint.patience import Patience
from entrypoint.plan import CONFLICT_TIP, differs
from entrypoint.stock import Look, Match, Stock
from entrypoint.upload.lane import Lane
from entrypoint.upload.legacy import Attempt, Session
from entrypoint.upload.outcome import Outcome, Scope, State
from entrypoint.upload.progress import Flight

LOOKS = (0.0, 2.0, 4.0, 8.0)
"""Seconds before each look for a file that the index says it has. Its simple index may be some seconds behind."""


_MAYBE = "It may be stored all the same: the simple index could not be asked."


class Means(NamedTuple):
    """What a delivery works with, the same for all files."""

    stock: Stock
    patience: Patience
    skip_existing: bool
    say: Callable[[str], None]
    """Takes a line for the log."""


class Delivery:
    """One file on its way."""

    def __init__(self, distribution: Distribution, session: Session, lane: Lane, means: Means, flight: Flight) -> None:
        self.distribution = distribution
        self.session = session
        self.lane = lane
        self.means = means
        self.flight = flight
        self._requests = 0
        self._unsure = False
        """Whether an earlier attempt may have stored the file."""
        self._raced = False
        self._status: int | None = None
        self._sent: Attempt | None = None
        """The last attempt."""

    def run(self) -> Outcome:
        """Send the file until its state is known, or patience ends."""
        clock = self.means.patience.clock
        start = clock.seconds()
        outcome = self._settled()._replace(
            status=self._status, attempts=self._requests, seconds=round(clock.seconds() - start, 3)
        )
        if outcome.state in ("uploaded", "accepted") and self._sent:
            return outcome._replace(attested=self._sent.attested, unattested=self._sent.unattested)
        return outcome

    def _settled(self) -> Outcome:
        tried = 0
        while True:
            self.flight.phase = "queued"
            with self.lane.turn():
                self.flight.sends()
                attempt = self.session.attempt(self.distribution, self.flight.at)
            tried += 1
            self._note(attempt)
            if outcome := self._final(attempt):
                return outcome
            pause = self.means.patience.pause(tried, attempt.retry_after)
            if pause is None or not self.lane.open:
                return self._given_up(attempt, tried)
            self._say(attempt, pause)
            self.flight.waits(self.means.patience.clock.seconds() + pause)
            self.means.patience.clock.sleep(pause)
            if self._unsure and (outcome := self._found(self._look())):
                return outcome
            if not self.lane.open:
                return self._given_up(attempt, tried)

    def _note(self, attempt: Attempt) -> None:
        self._sent = attempt
        self._requests += attempt.requests
        self._status = attempt.status or self._status
        self._unsure |= attempt.unsure
        if attempt.status is not None and attempt.status >= 500:  # noqa: PLR2004 - server errors (RFC 9110, 15.6)
            self.lane.narrow()

    def _final(self, attempt: Attempt) -> Outcome | None:
        """Tell what an attempt came to; `None`: try again."""
        match attempt.verdict:
            case Verdict.STORED:
                return self._outcome("uploaded")
            case Verdict.ACCEPTED | Verdict.UNCONFIRMED:
                return self._verified(attempt)
            case Verdict.EXISTS | Verdict.USED:
                return self._compared(attempt)
            case Verdict.RACED if not self._raced:
                self._raced = True
                return None
            case Verdict.UNAVAILABLE if attempt.again:
                return None
        return self._failed(attempt)

    def _verified(self, attempt: Attempt) -> Outcome:
        """Look whether the index shows a file about which its answer said too little."""
        self._unsure = True  # what is found there now is what was sent
        _, outcome = self._look_repeatedly()
        if outcome:
            return outcome
        if attempt.verdict is Verdict.ACCEPTED:
            reason = "The index has taken the file and stores it later; it does not show it yet."
            return self._outcome("accepted", reason)
        return self._failed(attempt)

    def _compared(self, attempt: Attempt) -> Outcome:
        """Find out by hash what it is that the index says it has."""
        look, outcome = self._look_repeatedly()
        if outcome:
            return outcome
        seen = look.why or "The simple index does not show the file."
        said = attempt.error.detail if attempt.error else ""
        if self.means.skip_existing and attempt.verdict is Verdict.EXISTS:
            return self._outcome("skipped", f"{said} Its content could not be compared: {seen}")
        return self._failed(attempt, f" Its content could not be compared: {seen}")

    def _look_repeatedly(self) -> tuple[Look, Outcome | None]:
        look = Look(Match.UNKNOWN)
        for seconds in LOOKS:
            if seconds:
                self.means.patience.clock.sleep(seconds)
            look = self._look()
            if (outcome := self._found(look)) or not self.means.stock.known or not self.lane.open:
                return look, outcome
        return look, None

    def _look(self) -> Look:
        self.flight.phase = "looking"
        return self.means.stock.look(self.distribution)

    def _found(self, look: Look) -> Outcome | None:
        """Tell what a look settles; `None`: nothing."""
        if look.match is Match.SAME:
            if self._unsure:
                return self._outcome("uploaded", "The index shows the file with its hash.", look)
            return self._outcome("already-present", "Something else has uploaded the same file meanwhile.", look)
        if look.match is Match.OTHER:
            seen = differs(self.distribution, look)
            if self.means.skip_existing:
                return self._outcome("skipped", seen, look)
            error = Refused("Other content under this name", seen, CONFLICT_TIP)
            return self._outcome("conflict", None, look)._replace(error=error)
        return None

    def _given_up(self, attempt: Attempt, tried: int) -> Outcome:
        more = f" Tried {tried} times." if tried > 1 else ""
        if self._unsure:
            look = self._look()
            if outcome := self._found(look):
                return outcome
            shown = "The simple index does not show the file." if look.match is Match.ABSENT else _MAYBE
            more += f" {shown}"
        return self._failed(attempt, more)._replace(weary=attempt.scope is Scope.FILE)

    def _failed(self, attempt: Attempt, more: str = "") -> Outcome:
        error = attempt.error
        if error is not None and more:
            error = error.saying(more)
        return self._outcome("failed")._replace(error=error, scope=attempt.scope)

    def _outcome(self, state: State, reason: str | None = None, look: Look | None = None) -> Outcome:
        return Outcome(self.distribution, state, reason=reason, remote_sha256=look.sha256 if look else None)

    def _say(self, attempt: Attempt, pause: float) -> None:
        seen = attempt.error.detail if attempt.error else ""
        self.means.say(f"  again in {pause:.0f} s  {self.distribution.found.filename}: {seen}")
