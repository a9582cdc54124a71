"""The engine: sends a plan, release by release, and records what became of every file."""

from __future__ import annotations

from collections.abc import Callable

from entrypoint.distribution import Distribution, Release
from entrypoint.plan import Plan
from entrypoint.upload.legacy import Api
from entrypoint.upload.outcome import Outcome, Scope, State

__all__ = ["Api", "Outcome", "Scope", "State", "publish"]


def publish(plan: Plan, api: Api, started: Callable[[Distribution], None], ended: Callable[[Outcome], None]) -> None:
    """Send every file of the plan; one that fails does not stop the others, unless it stands for all of them.

    `started` and `ended` are called for each file that is sent, `ended` alone for one that is not even tried.
    """
    stopped: Outcome | None = None
    for release in plan.releases:
        if stopped and stopped.scope is Scope.PROJECT and not _same_project(stopped, release):
            stopped = None
        with api.open(release) as session:
            for distribution in release.distributions:
                if stopped:
                    ended(_not_attempted(distribution, stopped))
                    continue
                started(distribution)
                outcome = session.upload(distribution)
                ended(outcome)
                if outcome.scope is not Scope.FILE:
                    stopped = outcome


def _same_project(stopped: Outcome, release: Release) -> bool:
    return stopped.distribution.found.project == release.distributions[0].found.project


def _not_attempted(distribution: Distribution, stopped: Outcome) -> Outcome:
    first = stopped.distribution.found.filename
    reason = f"Not sent: what stopped {first} holds for {stopped.scope.value}."
    return Outcome(distribution, "not-attempted", reason=reason)
