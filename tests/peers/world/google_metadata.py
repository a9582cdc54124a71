"""The metadata server of a Google Cloud VM: plain HTTP, and a token for whoever asks in the right way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.peers.process import LOOPBACK
from tests.peers.scripted import Answer, Request, json_answer, scripted_index
from tests.peers.world.google_cloud import (
    ACCOUNT_SECONDS,
    CLOUD_PLATFORM,
    SILENCE,
    Account,
    Cloud,
    Grant,
    html_page,
)
from tests.peers.world.proxy import target, text_answer

HOST = "metadata.google.internal"
"""Under which the journal has it, wherever it listens."""

FLAVOR = ("Metadata-Flavor", "Google")
ROOT = "/computeMetadata/v1/"
ACCOUNTS = f"{ROOT}instance/service-accounts/"
RENEW_SECONDS = 300  # a cached token is replaced when it has less than that left


@dataclass(slots=True)
class Machine:
    """What the metadata server says about the VM."""

    account: Account | None
    """None: the VM has no service account."""
    project: str
    scopes: set[str] = field(default_factory=lambda: {CLOUD_PLATFORM})
    """Fixed when the VM was made: no role cures a scope that is missing."""
    token_life: float = ACCOUNT_SECONDS
    """Seconds, of a token that is not in the cache."""


class MetadataServer:
    """One metadata server.

    Faults: `metadata-absent` (nobody is there), `metadata-slow`, `metadata-unavailable` (503), `metadata-no-account`,
    `metadata-no-flavor` (an answer of somebody else, without the header), `metadata-short` (a token with seconds left).
    """

    def __init__(self, cloud: Cloud, machine: Machine) -> None:
        self._cloud = cloud
        self._machine = machine
        self._lock = threading.Lock()
        self._cached: Grant | None = None

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run it; yields host and port, for `GCE_METADATA_HOST`."""
        with scripted_index(self) as served:
            yield f"{LOOPBACK}:{served.port}"

    def __call__(self, request: Request) -> Answer:
        """Answer, and keep a record."""
        faults = {
            "metadata-absent": Answer(cut="before-body", reset=True),
            "metadata-slow": SILENCE,
            "metadata-unavailable": _flavored(text_answer(503, "Service Unavailable\n")),
            "metadata-no-account": _flavored(html_page(404, "Not Found")),
        }
        answer = self._cloud.unless(faults, lambda: self._answer(request))
        if self._cloud.happens("metadata-no-flavor"):
            answer = replace(answer, headers=[each for each in _headers(answer) if each[0] != FLAVOR[0]])
        self._cloud.journal.record(HOST, request, answer)
        return answer

    def _answer(self, request: Request) -> Answer:
        path, query = target(request)
        if request.header("X-Forwarded-For") is not None or request.header(FLAVOR[0]) != FLAVOR[1]:
            if path == "/" and request.header("X-Forwarded-For") is None:
                return _flavored(text_answer(200, "computeMetadata/\n", "application/text"))
            return html_page(403, "Forbidden")
        if request.method != "GET":
            return _flavored(html_page(405, "Method Not Allowed"))
        if path.startswith(ACCOUNTS) and self._machine.account is not None:
            return _flavored(self._account(path.removeprefix(ACCOUNTS), query, self._machine.account))
        texts = {"/": "computeMetadata/\n", f"{ROOT}project/project-id": self._machine.project}
        known = texts.get(path)
        return _flavored(html_page(404, "Not Found") if known is None else text_answer(200, known, "application/text"))

    def _account(self, path: str, query: dict[str, str], account: Account) -> Answer:
        name, _, what = path.partition("/")
        scopes = sorted(self._machine.scopes)
        if name not in ("default", account.email):
            return html_page(404, "Not Found")
        if what == "token":
            asked = query.get("scopes", "").replace(",", " ").split()
            return self._token(account, set(asked or scopes) & self._machine.scopes)
        if what == "" and query.get("recursive") == "true":
            return json_answer({"aliases": ["default"], "email": account.email, "scopes": scopes})
        texts = {
            "": "aliases\nemail\nidentity\nscopes\ntoken\n",
            "email": account.email,
            "scopes": "".join(f"{scope}\n" for scope in scopes),
        }
        return text_answer(200, texts[what], "application/text") if what in texts else html_page(404, "Not Found")

    def _token(self, account: Account, scopes: set[str]) -> Answer:
        with self._lock:
            cached, now = self._cached, self._cloud.now()
            if self._cloud.happens("metadata-short"):
                cached = self._cloud.issue("c", [account.member], scopes, RENEW_SECONDS / 10)
            elif cached is None or cached.scopes != scopes or cached.expires - now < RENEW_SECONDS:
                cached = self._cloud.issue("c", [account.member], scopes, self._machine.token_life)
                self._cached = cached
        left = int(cached.expires - now)
        return json_answer({"access_token": cached.token, "expires_in": left, "token_type": "Bearer"})


def _headers(answer: Answer) -> list[tuple[str, str]]:
    return list(dict(answer.headers).items())


def _flavored(answer: Answer) -> Answer:
    return replace(answer, headers=[*_headers(answer), FLAVOR])
