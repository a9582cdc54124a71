"""Upload API 1.0: one POST for each file, visible as soon as it is stored (https://docs.pypi.org/api/upload/)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import httpx

from entrypoint.client import Signer, failure, retry_after
from entrypoint.distribution import Attested, Distribution, Release
from entrypoint.errors import DistributionError, PublishError, Unreachable
from entrypoint.index import Index, Verdict
from entrypoint.index.urls import origin
from entrypoint.upload import answer, form, meaning
from entrypoint.upload.multipart import Due, Multipart
from entrypoint.upload.outcome import Scope


class Attempt(NamedTuple):
    """What one try to send a file came to."""

    verdict: Verdict
    error: PublishError | None
    """What it means if it stays at that; `None` where the file is taken."""
    scope: Scope = Scope.FILE
    status: int | None = None
    retry_after: float | None = None
    """Seconds that the server asked to wait."""
    again: bool = False
    """Whether another try may end otherwise."""
    unsure: bool = False
    """Whether the file may be stored all the same."""
    requests: int = 1
    """Upload requests begun: two where one was redirected."""
    attested: Attested | None = None
    """What was sent along to attest the file."""
    unattested: str = ""
    """Why nothing was sent along that was there, as a sentence."""


class Api:
    """How an index takes releases. This protocol has no transaction: opening and leaving a release does nothing."""

    def __init__(
        self,
        index: Index,
        http: httpx.Client,
        credential: Signer,
        attested: Mapping[Path, Attested] | None = None,
        *,
        required: bool = False,
    ) -> None:
        self.index = index
        self.attested = dict(attested or {})
        """What attests the files, until the index refuses one of them."""
        self.required = required
        """Whether a file is rather not sent than sent without."""
        self.unattested = ""
        """Why nothing is attested any more, as a sentence."""
        self.http = http
        self.credential = credential
        self.url = index.upload_url
        """Where uploads go, as the index has shown it."""
        self._redirected = threading.Lock()

    @contextmanager
    def open(self, release: Release) -> Iterator[Session]:  # noqa: ARG002 - Upload API 2.0 will open a session for it
        """Begin a release; leaving the block publishes what was uploaded in it."""
        yield Session(self)

    def follow(self, url: str, said: answer.Answer) -> bool:
        """Tell whether an upload to `url` has to be repeated, to the `url` of this object, which is set for it.

        307 and 308 keep the method and the body (RFC 9110, 15.4.8 and 15.4.9). They are followed within the origin
        only, where the credential may go, and once: what the first one says is remembered for all files.
        """
        if said.status not in (307, 308) or url != self.index.upload_url or not _within(self.index, said.location):
            return False
        with self._redirected:
            if self.url == url:
                self.url = said.location or url
            return self.url != url

    def unattests(self, said: answer.Answer) -> bool:
        """Tell whether an upload has to be repeated without its attestations, which no file is sent with any more.

        A release of which some files are attested and others not confuses those who verify it.
        """
        if self.required or self.index.verdict(said.status, said.said) is not Verdict.UNATTESTED:
            return False
        self.attested.clear()
        said_so = f": {said.reason.rstrip('.')}" if said.reason else ""
        self.unattested = f"{self.index.title} refused the attestations{said_so}."
        return True


class Session(NamedTuple):
    """One release on its way to the index."""

    api: Api

    def attempt(self, distribution: Distribution, at: Callable[[int], None] = lambda _: None) -> Attempt:
        """Send one file once and say what came of it; what goes wrong is part of the answer.

        `at` hears how many bytes of the file have left.
        """
        found = distribution.found
        answers, status, renewed, attested = 0, None, False, None
        try:
            while True:
                url, attested = self.api.url, self.api.attested.get(found.path)
                fields = form.fields(distribution, attested)
                body = Multipart(fields, found.path, found.size, at, _due(distribution))
                response, said = self._post(url, body)
                answers, status = answers + 1, said.status
                if self.api.follow(url, said) or (attested and self.api.unattests(said)):
                    continue
                if renewed or not self._renewed(response, said):
                    attempt = self._judged(distribution, response, said, answers)
                    shown = "" if attested else self.api.unattested
                    return attempt._replace(attested=attested, unattested=shown)
                renewed = True
        except httpx.TransportError as error:
            lost = failure(error, self.api.index.upload_url)
            unsure, scope = (False, Scope.INDEX) if isinstance(lost, Unreachable) else (True, Scope.FILE)
            return Attempt(
                Verdict.UNAVAILABLE,
                lost,
                scope,
                again=lost.again,
                unsure=unsure,
                requests=answers + 1,
                attested=attested,
                unattested="" if attested else self.api.unattested,
            )
        except (DistributionError, OSError) as error:
            return Attempt(Verdict.REFUSED, _unreadable(error), requests=answers + 1)
        except PublishError as error:  # of whoever signs: there was no token to send it with
            return Attempt(Verdict.UNAUTHORIZED, error, Scope.INDEX, status, requests=answers)

    def _post(self, url: str, body: Multipart) -> tuple[httpx.Response, answer.Answer]:
        request = self.api.http.build_request("POST", _parsed(url), content=body, headers=body.headers)
        response = self.api.http.send(request, auth=self.api.credential, stream=True)
        try:
            return response, answer.read(response)
        finally:
            response.close()

    def _renewed(self, response: httpx.Response, said: answer.Answer) -> bool:
        """Tell whether a token was refused, and there is another one to try with."""
        refused = self.api.index.verdict(said.status, said.said) is Verdict.UNAUTHORIZED
        return refused and self.api.credential.renewed(response.request.headers.get("Authorization"))

    def _judged(
        self, distribution: Distribution, response: httpx.Response, said: answer.Answer, requests: int
    ) -> Attempt:
        verdict = self.api.index.verdict(said.status, said.said)
        if verdict in (Verdict.STORED, Verdict.ACCEPTED):
            return Attempt(verdict, None, status=said.status, requests=requests)
        error, scope = meaning.explain(self.api.index, verdict, said, distribution.found.size)
        error = self.api.credential.explained(error, said.status, distribution.found.project)
        return Attempt(
            verdict,
            error,
            scope,
            said.status,
            retry_after(response.headers),
            again=verdict in (Verdict.UNAVAILABLE, Verdict.RACED),
            unsure=verdict is Verdict.UNAVAILABLE and said.status not in NOT_STORED,
            requests=requests,
        )


_parsed = lru_cache(maxsize=4)(httpx.URL)
"""All files go to the same one."""

HEX = 64
"""Characters of a digest of 32 bytes."""

NOT_STORED = frozenset({408, 425, 429})
"""Statuses that say that the request was not even looked at (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4)."""


def _due(distribution: Distribution) -> Due | None:
    """Give the field of a large file that is being worked out while the file leaves.

    PyPI, pypiserver, devpi and Pulp take fields in any order (2026-11); elsewhere that is likely, and was not tried.
    """
    return Due(form.BLAKE2, HEX, distribution.blake2b.get) if distribution.found.large else None


def _within(index: Index, location: str | None) -> bool:
    try:
        return location is not None and "@" not in location and origin(location) == index.origin
    except (KeyError, ValueError):  # no http URL, no port
        return False


def _unreadable(error: DistributionError | OSError) -> DistributionError:
    if isinstance(error, DistributionError):
        return error
    return DistributionError(
        "The file cannot be read any more",
        f"{error.strerror or error}.",
        "Let nothing change `packages-dir` while it is being published. The index has not stored the file.",
    )
