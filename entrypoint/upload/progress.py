"""Progress: how far an upload is, for someone who waits for it.

Bytes are counted where they leave, by the thread that sends them and without a lock: each file has its own counter.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from entrypoint.distribution import Distribution
from entrypoint.patience import Clock
from entrypoint.plan import bytes_shown, files_shown
from entrypoint.upload.outcome import PUBLIC, State

BEAT = 10.0
"""Seconds between two lines of the log; a run that is shorter has none."""
GLANCE = 0.2
"""Seconds between two looks for a terminal."""
BAD: frozenset[State] = frozenset({"failed", "conflict"})

Phase = Literal["queued", "sending", "again", "looking"]
"""A file has no turn yet, or is under way, or waits for its next try, or is looked for on the index."""


class Flight:
    """One file on its way. Its own thread writes, the one that tells reads."""

    def __init__(self, distribution: Distribution) -> None:
        self.filename = distribution.found.filename
        self.size = distribution.found.size
        self.phase: Phase = "queued"
        self.until = 0.0
        """When it is tried again, by the clock that measures."""
        self.position = 0
        """Bytes of the file that have left in this try."""
        self.moved = 0
        """Those that have left in all tries."""

    def at(self, position: int) -> None:
        """Note how many bytes of the file have left; fewer than before: it is sent anew."""
        self.moved += position - self.position if position > self.position else position
        self.position = position

    def sends(self) -> None:
        """Begin a try."""
        self.position, self.phase = 0, "sending"

    def waits(self, until: float) -> None:
        """Wait for the next try."""
        self.until, self.phase = until, "again"


class Standing(NamedTuple):
    """How far it is at a moment."""

    files: int
    sent: int
    failed: int
    size: int
    """Bytes of all files."""
    gone: int
    """Bytes of files that are sent, and of those under way so far."""
    rate: float
    """Bytes a second, lately."""
    under_way: int
    answering: int
    """Files that have left whole, and of which the index has said nothing yet."""
    looking: int
    again: tuple[tuple[float, str], ...]
    """Files that wait for their next try: in how many seconds, and which; the next one first."""

    @property
    def quiet(self) -> bool:
        """Whether nothing is going on."""
        return not (self.under_way or self.answering or self.looking or self.again)

    @property
    def share(self) -> float:
        """How much of all bytes has left, from 0 to 1."""
        return min(1.0, self.gone / self.size) if self.size else 1.0

    def __str__(self) -> str:
        return ", ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        yield f"{self.sent} of {files_shown(self.files)} sent"
        if self.failed:
            yield f"{self.failed} failed"
        gone, size = bytes_shown(self.gone), bytes_shown(self.size)
        same = gone.partition(" ")[2] == size.partition(" ")[2]
        yield f"{gone.partition(' ')[0] if same else gone} of {size}"
        if self.under_way and self.rate >= 1:
            yield f"{bytes_shown(round(self.rate))}/s"
        if self.under_way:
            yield f"{self.under_way} under way"
        if self.answering:
            yield f"{self.answering} waiting for an answer"
        if self.looking:
            yield f"{self.looking} being looked for on the index"
        if self.again:
            seconds, filename = self.again[0]
            which = filename if len(self.again) == 1 else f"{len(self.again)} files, the first"
            yield f"trying again: {which} in {max(0.0, seconds):.0f} s"


class Tally:
    """What is known of all files that are to be sent."""

    def __init__(self, distributions: Iterable[Distribution], clock: Clock) -> None:
        sizes = [each.found.size for each in distributions]
        self._files, self._size = len(sizes), sum(sizes)
        self._clock = clock
        self._lock = threading.Lock()
        self._flights: set[Flight] = set()
        self._sent = self._failed = self._gone = self._moved = 0
        self._seen: deque[tuple[float, int]] = deque([(clock.seconds(), 0)])
        """When how many bytes had left, during the last seconds."""

    def begin(self, distribution: Distribution) -> Flight:
        """Note that a file is on its way."""
        flight = Flight(distribution)
        with self._lock:
            self._flights.add(flight)
        return flight

    def end(self, flight: Flight, state: State) -> None:
        """Note what became of a file that was on its way."""
        with self._lock:
            self._flights.discard(flight)
            self._moved += flight.moved
            self._failed += state in BAD
            if state in PUBLIC:
                self._sent += 1
                self._gone += flight.size

    def standing(self) -> Standing:
        """Look how far it is; for one thread only."""
        now = self._clock.seconds()
        with self._lock:
            flights = tuple(self._flights)
            sent, failed, gone, moved = self._sent, self._failed, self._gone, self._moved
        sending = [each for each in flights if each.phase == "sending"]
        whole = sum(each.position >= each.size for each in sending)
        moved += sum(each.moved for each in flights)
        while len(self._seen) > 1 and now - self._seen[0][0] > BEAT:
            self._seen.popleft()
        before, had = self._seen[0]
        self._seen.append((now, moved))
        return Standing(
            self._files,
            sent,
            failed,
            self._size,
            gone + sum(each.position for each in sending),
            (moved - had) / (now - before) if now > before else 0.0,
            len(sending) - whole,
            whole,
            sum(each.phase == "looking" for each in flights),
            tuple(sorted((each.until - now, each.filename) for each in flights if each.phase == "again")),
        )


class Pulse:
    """Tells how far it is, as long as something is going on."""

    def __init__(
        self, tally: Tally, clock: Clock, beat: Callable[[Standing], None], moved: Callable[[Standing], None]
    ) -> None:
        self._tally = tally
        self._clock = clock
        self._beat = beat
        self._moved = moved
        self._beats = self._glances = clock.seconds()

    def tick(self) -> None:
        """Tell what is due."""
        now = self._clock.seconds()
        if now - self._glances < GLANCE:
            return
        self._glances = now
        standing = self._tally.standing()
        if standing.quiet:
            return
        self._moved(standing)
        if now - self._beats >= BEAT:
            self._beats = now
            self._beat(standing)
