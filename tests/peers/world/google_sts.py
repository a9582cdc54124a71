"""Google's Security Token Service: an ID token of a trusted issuer for a federated access token."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world.github import ISSUER, GitHub
from tests.peers.world.google_cloud import (
    CLOUD_PLATFORM,
    IAM_SCOPE,
    JSON,
    SILENCE,
    Cloud,
    Provider,
    fields_of,
    html_page,
    oauth_error,
    too_many,
)
from tests.peers.world.jwt import TokenError, decode, verify
from tests.peers.world.proxy import target

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
SUBJECT_TYPES = ("urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token")
SUBJECT_BYTES = 127  # of google.subject

AUDIENCE = re.compile(r"//iam\.googleapis\.com/projects/[^/]+/locations/global/workloadIdentityPools/[^/]+(/.*)?")

BAD_AUDIENCE = (
    'Invalid value for "audience". This value should be the full resource name of the Identity Provider. '
    "See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats."
)
NO_TARGET = (
    'The target service indicated by the "audience" parameters is invalid. This might either be because the pool or '
    "provider is disabled or deleted or because it doesn't exist."
)
REJECTED = "The given credential is rejected by the attribute condition."
TOO_LONG = (
    "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute mapping or "
    "the incoming assertion to produce a mapped attribute that is less than 127 bytes."
)


FAULTS = {
    "sts-slow": SILENCE,
    "sts-unavailable": oauth_error("internal_failure", "The service is currently unavailable.", 503),
    "sts-too-many": too_many(oauth_error("temporarily_unavailable", "Quota exceeded for the token exchange.", 429)),
    "sts-html-error": html_page(502, "Server Error"),
    "sts-html": replace(html_page(502, "Server Error"), status=200),
    "sts-pool-disabled": oauth_error("invalid_target", NO_TARGET),
    "sts-attribute-condition": oauth_error("unauthorized_client", REJECTED, 401),
    "sts-subject-too-long": oauth_error("invalid_request", TOO_LONG),
    "sts-stale": oauth_error("invalid_grant", "ID Token issued at 1700000000 is stale to sign-in."),
}


class Sts:
    """sts.googleapis.com.

    Faults: those of `FAULTS`, and `sts-no-expires-in` and `sts-expires-in-text`, which spoil a good answer.
    """

    hosts = ("sts.googleapis.com",)

    def __init__(self, cloud: Cloud, github: GitHub) -> None:
        self._cloud = cloud
        self._github = github

    def __call__(self, request: Request) -> Answer:
        """Exchange a token, or say why not."""
        if target(request)[0] != "/v1/token":
            return html_page(404, "Not Found")
        if request.method != "POST":
            return html_page(405, "Method Not Allowed")
        return self._cloud.unless(FAULTS, lambda: self._exchange(_fields(request)))

    def _exchange(self, fields: Mapping[str, str]) -> Answer:
        refused = next(_broken_rules(fields), None)
        if refused is not None:
            return refused
        provider = self._provider(fields["audience"])
        if provider is None:
            return oauth_error("invalid_target", NO_TARGET)
        try:
            claims = decode(fields["subject_token"])
        except TokenError as error:
            return oauth_error("invalid_request", f"Unable to parse the ID Token: {error}.")
        refused = next(self._refusals(fields["subject_token"], claims, provider), None)
        return refused or self._granted(claims, provider, frozenset(fields["scope"].split()))

    def _provider(self, audience: str) -> Provider | None:
        found = (each for each in self._cloud.providers if each.audience == audience and not each.disabled)
        return next(found, None)

    def _refusals(self, token: str, claims: Mapping[str, Any], provider: Provider) -> Iterator[Answer]:
        """Check what Google checks of a token: who made it, when, for whom, and about whom; only the first counts."""
        issuer, audience = claims.get("iss"), claims.get("aud")
        if issuer != provider.issuer_uri:
            yield oauth_error("invalid_grant", f"The issuer in ID Token {issuer} does not match the expected ones.")
        if not f"{issuer}/".startswith(f"{ISSUER}/"):
            yield oauth_error("invalid_grant", "Error connecting to the given credential's issuer.")
        try:
            verify(token, self._github.keys, audience=None, issuer=provider.issuer_uri, now=self._cloud.now())
        except TokenError as error:
            stale = f"ID Token issued at {claims.get('iat')} is stale to sign-in."
            said = stale if error.reason == "expired" else f"The ID Token is invalid: {error}."
            yield oauth_error("invalid_grant", said)
        if audience not in provider.audiences:
            said = f"The audience in ID Token [{audience}] does not match the expected audience."
            yield oauth_error("invalid_grant", said)
        if provider.condition is not None and not provider.condition(claims):
            yield oauth_error("unauthorized_client", REJECTED, 401)
        subject = provider.mapped(claims).get("google.subject", "")
        if not subject:
            yield oauth_error("invalid_request", "The mapped attribute google.subject must not be empty.")
        if len(subject.encode()) > SUBJECT_BYTES:
            yield oauth_error("invalid_request", TOO_LONG)

    def _granted(self, claims: Mapping[str, Any], provider: Provider, scopes: frozenset[str]) -> Answer:
        seconds = claims["exp"] - self._cloud.now()
        grant = self._cloud.issue("d", provider.members(provider.mapped(claims)), scopes, seconds)
        value: dict[str, Any] = {
            "access_token": grant.token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": int(seconds),
        }
        if self._cloud.happens("sts-no-expires-in"):
            del value["expires_in"]
        elif self._cloud.happens("sts-expires-in-text"):
            value["expires_in"] = str(value["expires_in"])
        return json_answer(value, content_type=JSON)


def _fields(request: Request) -> dict[str, str]:
    """Read a form, or JSON in the spelling of Google's APIs (which take that of RFC 8693 too)."""
    kind = request.header("Content-Type")
    if (kind or "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    given = fields_of(kind, request.body)
    spelled = {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): value for name, value in given.items()}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in spelled.items()}


def _broken_rules(fields: Mapping[str, str]) -> Iterator[Answer]:
    """Yield what is wrong with a request before anybody looks at its token; only the first counts."""
    if fields.get("grant_type") != GRANT_TYPE:
        yield oauth_error("unsupported_grant_type", 'Invalid value for "grant_type".')
    if fields.get("requested_token_type") != ACCESS_TOKEN:
        yield oauth_error("invalid_request", 'Invalid value for "requested_token_type".')
    if not AUDIENCE.fullmatch(fields.get("audience", "")):
        yield oauth_error("invalid_request", BAD_AUDIENCE)
    if fields.get("subject_token_type") not in SUBJECT_TYPES:
        yield oauth_error("invalid_request", 'Invalid value for "subject_token_type".')
    if not fields.get("subject_token"):
        yield oauth_error("invalid_request", 'Missing value for "subject_token".')
    # The words of these two are not known.
    scopes = fields.get("scope", "").split()
    if not scopes:
        yield oauth_error("invalid_scope", "A scope is required.")
    if not set(scopes) <= {CLOUD_PLATFORM, IAM_SCOPE}:
        yield oauth_error("invalid_scope", "Some requested scopes are not valid.")
