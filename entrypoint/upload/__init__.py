"""The engine: sends a plan, projects side by side, and records what became of every file.

Within a project the first wheel of a release goes alone, for it fixes the release's metadata on PyPI; then the other
wheels, several at a time; the sdist last, so that nobody builds from source what will be there as a wheel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from entrypoint.distribution import Distribution, Release
from entrypoint.patience import Patience
from entrypoint.plan import Plan
from entrypoint.stock import Stock
from entrypoint.threads import Inbox, side_by_side
from entrypoint.upload.confirm import confirm
from entrypoint.upload.lane import AT_ONCE, Lane, Traffic
from entrypoint.upload.legacy import Api, Session
from entrypoint.upload.outcome import PUBLIC, Outcome, Scope, State
from entrypoint.upload.progress import Pulse, Standing, Tally
from entrypoint.upload.recovery import Delivery, Means

__all__ = ["PUBLIC", "Api", "Listener", "Outcome", "Scope", "Standing", "State", "confirm", "publish"]


class Listener(NamedTuple):
    """Who hears, in the thread that publishes, how it goes."""

    started: Callable[[Distribution], None]
    ended: Callable[[Outcome], None]
    """Called for every file that is to be sent, also for one that is not even tried."""
    said: Callable[[str], None]
    """Takes a line for the log."""
    beat: Callable[[Standing], None] = lambda _: None
    """Called every ten seconds, as long as something is going on."""
    moved: Callable[[Standing], None] = lambda _: None
    """Called some times a second, as long as something is going on."""


def publish(plan: Plan, api: Api, stock: Stock, patience: Patience, parallel: int, listener: Listener) -> None:
    """Send what the plan wants sent; one file that fails does not stop the others, unless it stands for all of them."""
    tally = Tally(plan.files("upload"), patience.clock)
    inbox = Inbox(Pulse(tally, patience.clock, listener.beat, listener.moved).tick)
    traffic = Traffic()
    means = Means(stock, patience, plan.skip_existing, inbox.relay(listener.said))
    engine = _Engine(plan, api, means, traffic, parallel, inbox, tally, listener)
    projects: dict[str, list[Release]] = {}
    for release in plan.sending():
        projects.setdefault(release.project, []).append(release)
    try:
        side_by_side(engine.project, list(projects.values()), AT_ONCE, inbox)
    finally:
        traffic.halted = True
        inbox.empty()  # what was done before a signal came is not forgotten


class _Engine(NamedTuple):
    """Runs in worker threads; what is to be heard goes through the inbox to the thread that waits."""

    plan: Plan
    api: Api
    means: Means
    traffic: Traffic
    parallel: int
    inbox: Inbox
    tally: Tally
    listener: Listener

    def project(self, releases: Sequence[Release]) -> None:
        """Send all releases of a project, one after the other."""
        lane = Lane(self.traffic, self.parallel)
        for release in releases:
            with self.api.open(release) as session:
                self._release(release, session, lane)

    def _release(self, release: Release, session: Session, lane: Lane) -> None:
        send = partial(self._send, session=session, lane=lane)
        wheels = deque(each for each in release.distributions if each.found.kind == "wheel")
        begun = self.plan.begun(release)
        while wheels and not begun:
            begun = send(wheels.popleft()).state in PUBLIC
        side_by_side(send, wheels, self.parallel)
        for each in release.distributions:
            if each.found.kind == "sdist":
                send(each)

    def _send(self, distribution: Distribution, session: Session, lane: Lane) -> Outcome:
        if not lane.open:
            outcome = _not_attempted(distribution, lane.stopped)
        else:
            self.inbox.put(partial(self.listener.started, distribution))
            flight = self.tally.begin(distribution)
            outcome = Delivery(distribution, session, lane, self.means, flight).run()
            self.tally.end(flight, outcome.state)
            lane.learn(outcome)
        self.inbox.put(partial(self.listener.ended, outcome))
        return outcome


def _not_attempted(distribution: Distribution, stopped: Outcome | None) -> Outcome:
    if stopped is None:
        return Outcome(distribution, "not-attempted", reason="Not sent: the run was stopped before its turn.")
    scope = Scope.PROJECT if stopped.scope is Scope.PROJECT else Scope.INDEX
    reason = f"Not sent: what stopped {stopped.distribution.found.filename} holds for {scope.value}."
    return Outcome(distribution, "not-attempted", reason=reason)
