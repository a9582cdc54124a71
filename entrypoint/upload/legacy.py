"""Upload API 1.0: one POST for each file, visible as soon as it is stored (https://docs.pypi.org/api/upload/)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import httpx

from entrypoint.client import failure
from entrypoint.distribution import Distribution, Release
from entrypoint.errors import DistributionError, PublishError, Unreachable
from entrypoint.index import Index, Verdict
from entrypoint.upload import answer, form, meaning
from entrypoint.upload.multipart import Multipart
from entrypoint.upload.outcome import Outcome, Scope


@dataclass(frozen=True, slots=True)
class Api:
    """How an index takes releases. This protocol has no transaction: opening and leaving a release does nothing."""

    index: Index
    http: httpx.Client
    credential: httpx.Auth
    clock: Callable[[], float] = field(default=time.monotonic)
    """Seconds."""

    @contextmanager
    def open(self, release: Release) -> Iterator[Session]:  # noqa: ARG002 - Upload API 2.0 will open a session for it
        """Begin a release; leaving the block publishes what was uploaded in it."""
        yield Session(self)


@dataclass(frozen=True, slots=True)
class Session:
    """One release on its way to the index."""

    api: Api

    def upload(self, distribution: Distribution) -> Outcome:
        """Send one file and say what became of it; what goes wrong is part of the answer."""
        start = self.api.clock()
        outcome = self._attempt(distribution)
        return replace(outcome, attempts=1, seconds=round(self.api.clock() - start, 3))

    def _attempt(self, distribution: Distribution) -> Outcome:
        api, path = self.api, distribution.found.path
        try:
            body = Multipart(form.fields(distribution), path, distribution.found.size)
            request = api.http.build_request("POST", api.index.upload_url, content=body, headers=body.headers)
            response = api.http.send(request, auth=api.credential, stream=True)
            try:
                said = answer.read(response)
            finally:
                response.close()
        except httpx.TransportError as error:
            lost = failure(error, api.index.upload_url)
            return Outcome(distribution, "failed", lost, scope=_reach(lost))
        except (DistributionError, OSError) as error:
            return Outcome(distribution, "failed", _unreadable(error))
        return self._judge(distribution, said)

    def _judge(self, distribution: Distribution, said: answer.Answer) -> Outcome:
        verdict = self.api.index.verdict(said.status, said.said)
        if verdict is Verdict.STORED:
            return Outcome(distribution, "uploaded", status=said.status)
        if verdict is Verdict.ACCEPTED:
            reason = "The index has taken the file and stores it later; only its simple index will tell."
            return Outcome(distribution, "accepted", reason=reason, status=said.status)
        error, scope = meaning.explain(self.api.index, verdict, said, distribution.found.size)
        return Outcome(distribution, "failed", error, status=said.status, scope=scope)


def _reach(lost: PublishError) -> Scope:
    """Tell how far it reaches: a server that is not there is not there for the other files either."""
    return Scope.INDEX if isinstance(lost, Unreachable) else Scope.FILE


def _unreadable(error: DistributionError | OSError) -> DistributionError:
    if isinstance(error, DistributionError):
        return error
    return DistributionError(
        "The file cannot be read any more",
        f"{error.strerror or error}.",
        "Let nothing change `packages-dir` while it is being published. The index has not stored the file.",
    )
