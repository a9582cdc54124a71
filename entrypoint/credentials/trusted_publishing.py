"""Trusted publishing: an ID token of the job is exchanged for a token of the index that lives some minutes.

PyPI's endpoints are on the host of the upload URL, at fixed paths (warehouse, 2026-08); other indexes are asked for
theirs (PEP 807, draft of 2025-11). An ID token is shown once and never again, whatever became of the request: the
index may have taken it before its answer was lost.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote_plus, urlsplit

from entrypoint.credentials import ASSUMED, GOODBYE, Context, Credential, Grant, ambient, github, publisher
from entrypoint.credentials.exchange import Question, Reply, quoted
from entrypoint.credentials.problems import documented
from entrypoint.errors import Note, PublishError
from entrypoint.index.urls import origin, read

DISCOVERY = "application/vnd.pypi.pytp.v1+json"
"""Media type of PEP 807."""
MULTI, SINGLE = "multi-use-token", "single-use-token"
"""Features of PEP 807: how many uploads a token is good for."""

LONGEST = 21_600.0
"""Seconds that a token may live (PEP 807). A life beyond that, or none, comes of clocks that differ."""

EMPTY = "(Trusted publishing is used because `password` is empty.)"
WANTED = "`password` is empty, so trusted publishing is tried. It"


def trusted_publishing(context: Context) -> Credential | None:
    """Publish as who the job is. Raises `CredentialError` where it is asked for, and cannot be."""
    mode, environ = context.inputs.trusted_publishing, context.around.environ
    if mode == "never" or (mode == "auto" and not context.index.trusted_publishing):
        return None
    if not github.available(environ):
        if mode == "auto" and context.inputs.keyring_provider != "disabled":
            return None
        if github.here(environ):
            raise github.missing(environ, WANTED if mode == "auto" else "`trusted-publishing: always`")
        if mode == "auto" and not ambient.system(environ):
            return None
    scheme, host, _ = context.index.origin
    if scheme != "https" and not read(context.index.upload_url, "").url.loopback:
        raise documented(
            "Trusted publishing needs https",
            f"The upload URL leads to {host} by `http`, where anybody on the way could read the job's identity.",
            "Give the index's https URL, or a `password`.",
        )
    if context.index.warehouse and environ.get("GITHUB_EVENT_NAME") == "pull_request_target":
        raise publisher.target_event("The workflow was triggered by `pull_request_target`.")
    flow = _Flow(context)
    return Credential(context, "trusted publishing", flow.grant, reads=False, explain=flow.explained)


class _Endpoints(NamedTuple):
    audience: str
    mint: str
    burn: str | None
    single_use: bool = False
    features: tuple[str, ...] = ()
    """Features to ask for."""


@dataclass(slots=True)
class _Flow:
    """From who the job is to what it may do; the steps that stay the same are done once."""

    context: Context
    _endpoints: _Endpoints | None = None
    _audience: str = ""
    _claims: Mapping[str, str] = field(default_factory=dict)
    """What the last ID token said."""
    _shown: set[str] = field(default_factory=set)
    """Hashes of the ID tokens that were sent to the index."""
    _warned: bool = False

    def grant(self) -> Grant:
        """Get a new token of the index."""
        if self._endpoints is None:
            self._endpoints = self._located()
        endpoints = self._endpoints
        self._audience = self._audience or self._asked_for(endpoints.audience)
        reply = self.context.exchange.ask(self.context.index.title, lambda: self._question(endpoints))
        token = reply.token("token")
        if reply.status != 200 or not token:  # noqa: PLR2004 - OK
            error = publisher.refusal(self.context.index, reply, self._claims, self.context.around.projects)
            # A secret whose name is spelt wrong looks the same as none.
            raise error.saying("" if self.context.inputs.trusted_publishing == "always" else f" {EMPTY}")
        self.context.exchange.mask(token)
        self._warn()
        return Grant(
            self.context.index.user or "__token__",
            token,
            publisher.principal(self._claims),
            _life(reply, self.context.exchange.patience.clock.now()),
            self._goodbye(endpoints.burn, token),
            once=endpoints.single_use,
        )

    def explained(self, error: PublishError, _status: int, project: str) -> PublishError:
        """Say what is to be done about a refusal of an upload."""
        return publisher.explained(self.context.index, error, project, self._claims)

    def _question(self, endpoints: _Endpoints) -> Question:
        """Ask for a token, with an ID token that nobody has seen."""
        token = self._id_token()
        self._claims = github.claims(token)
        fingerprint = hashlib.sha256(token.encode()).hexdigest()
        if fingerprint in self._shown:
            raise publisher.used_up("This job has no other ID token than the one that was shown before.")
        self._shown.add(fingerprint)
        features = {"features": list(endpoints.features)} if endpoints.features else {}
        return Question("POST", endpoints.mint, json={"token": token, **features})

    def _id_token(self) -> str:
        if github.available(self.context.around.environ):
            return github.id_token(self.context.exchange, self.context.around.environ, self._audience)
        return ambient.id_token(self.context.exchange, self._audience)

    def _located(self) -> _Endpoints:
        index = self.context.index
        parts = urlsplit(index.upload_url)
        base = f"{parts.scheme}://{parts.netloc}"
        fixed = _Endpoints(f"{base}/_/oidc/audience", f"{base}/_/oidc/mint-token", f"{base}/_/oidc/burn-token")
        return fixed if index.trusted_publishing else self._discovered(base) or fixed

    def _discovered(self, base: str) -> _Endpoints | None:
        """Ask an index where its endpoints are; `None` where it does not know the question, or answers with a page."""
        path = urlsplit(self.context.index.upload_url).path
        question = Question("GET", f"{base}/.well-known/pytp?discover={quote_plus(path)}", {"Accept": DISCOVERY})
        reply = self.context.exchange.ask(self.context.index.title, lambda: question)
        if reply.status != 200 or not reply.fields:  # noqa: PLR2004 - OK
            return None
        offered, usual = _names(reply, "features"), _names(reply, "default-features") or [MULTI]
        single = SINGLE in usual and MULTI not in usual
        asked = (MULTI,) if single and MULTI in offered else ()
        return _Endpoints(
            self._own(reply.text("audience-endpoint")),
            self._own(reply.text("token-mint-endpoint")),
            None,
            single and not asked,
            asked,
        )

    def _own(self, url: str) -> str:
        """Take an endpoint if it is the index's own: an ID token goes nowhere else (PEP 807)."""
        try:
            scheme, host, _ = origin(url)
        except (KeyError, ValueError):
            scheme, host = "", ""
        if (scheme, host) != self.context.index.origin[:2] or "@" in url:
            raise documented(
                "The index names an endpoint that is not its own",
                f"{self.context.index.title} leads trusted publishers to {quoted(host) or 'no URL'}"
                f"{' by ' + scheme if host else ''}. Nothing was sent there.",
                "Who runs the index puts its endpoints on the host of the upload URL (PEP 807). Until then give a "
                "`password`.",
            )
        return url

    def _asked_for(self, url: str) -> str:
        """Ask for which audience the ID token has to be."""
        index = self.context.index
        reply = self.context.exchange.ask(index.title, lambda: Question("GET", url))
        if reply.status == 200 and (audience := reply.text("audience")):  # noqa: PLR2004 - OK
            return audience
        said = quoted(reply.text("message"))
        if reply.status == 403 and said:  # noqa: PLR2004 - Forbidden
            raise publisher.switched_off(f"{index.title} answered 403: {said}.")
        raise publisher.unusable(index, reply, "an audience")

    def _warn(self) -> None:
        """Tell of what works today by accident."""
        if publisher.reusable(self._claims) and not self._warned:
            self._warned = True
            self.context.around.note(
                Note(
                    "warning",
                    "Published from a reusable workflow",
                    f"The publisher names the called workflow, {publisher.called(self._claims)}. "
                    f"{self.context.index.title} does not support that: attestations would be refused, and it may end.",
                    tip="Put the job that publishes into the workflow that is triggered.",
                )
            )

    def _goodbye(self, url: str | None, token: str) -> Callable[[], object] | None:
        """Give what makes a token worthless (warehouse, 2026-09). What comes of it changes nothing."""
        if url is None:
            return None
        return lambda: self.context.exchange.once(Question("POST", url, json={"token": token}), GOODBYE)


def _names(reply: Reply, field: str) -> list[object]:
    value = reply.fields.get(field)
    return value if isinstance(value, list) else []


def _life(reply: Reply, now: datetime) -> float:
    """Give the seconds for which a token is good, by the clock of who made it."""
    expires = reply.fields.get("expires")
    with suppress(ValueError, OverflowError):
        now = parsedate_to_datetime(reply.headers.get("date", ""))
    now = now if now.tzinfo else now.replace(tzinfo=UTC)
    life = expires - now.timestamp() if isinstance(expires, int | float) and abs(expires) < sys.maxsize else 0.0
    return life if 0 < life <= LONGEST else ASSUMED
