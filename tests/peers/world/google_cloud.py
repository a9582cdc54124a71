"""What Google's services know in common: who may do what, and which token speaks for whom until when."""

from __future__ import annotations

import base64
import json
import math
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.peers.scripted import Answer, json_answer
from tests.peers.world.proxy import Faults, Journal

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # also the audience of a signed assertion

ACCOUNT_SECONDS = 3600  # life of a service account's token, and its limit
RETRY_AFTER = 1  # seconds that a 429 asks for

JSON = "application/json; charset=UTF-8"
HTML = {"Content-Type": "text/html; charset=UTF-8"}
SILENCE = Answer(delay=math.inf)
"""Of a service that is so late that it never answers."""


@dataclass(slots=True)
class Provider:
    """A provider of a workload identity pool, which trusts an issuer of ID tokens."""

    project_number: str
    pool: str
    provider: str
    issuer_uri: str
    allowed_audiences: tuple[str, ...] = ()
    """None: its own resource name, with or without `https:`."""
    mapping: dict[str, str] = field(
        default_factory=lambda: {
            "google.subject": "sub",
            "attribute.repository": "repository",
            "attribute.repository_owner": "repository_owner",
            "attribute.repository_id": "repository_id",
            "attribute.repository_owner_id": "repository_owner_id",
        }
    )
    """Attribute → name of the claim of which it is the value (`assertion.NAME`, in Google's words)."""
    condition: Callable[[Mapping[str, Any]], bool] | None = None
    """Of the claims; None: all are taken."""
    disabled: bool = False

    @property
    def pool_name(self) -> str:
        """Resource name of the pool."""
        return f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool}"

    @property
    def name(self) -> str:
        """Resource name, as a workflow gives it."""
        return f"{self.pool_name}/providers/{self.provider}"

    @property
    def audience(self) -> str:
        """Resource name, as STS is given it."""
        return f"//iam.googleapis.com/{self.name}"

    @property
    def audiences(self) -> tuple[str, ...]:
        """For whom an ID token may be."""
        return self.allowed_audiences or (self.audience, f"https:{self.audience}")

    def mapped(self, claims: Mapping[str, Any]) -> dict[str, str]:
        """Give the attributes that claims make."""
        return {attribute: str(claims[claim]) for attribute, claim in self.mapping.items() if claim in claims}

    def members(self, attributes: Mapping[str, str]) -> frozenset[str]:
        """Give every IAM member that stands for somebody with these attributes."""
        at = f"iam.googleapis.com/{self.pool_name}"
        sets = (f"principalSet://{at}/{name}/{value}" for name, value in attributes.items() if name != "google.subject")
        return frozenset({f"principal://{at}/subject/{attributes['google.subject']}", f"principalSet://{at}/*", *sets})


@dataclass(slots=True)
class Account:
    """A service account."""

    email: str
    unique_id: str
    impersonators: set[str] = field(default_factory=set)
    """IAM members who may get its tokens."""
    keys: dict[str, RSAPublicKey] = field(default_factory=dict)
    """Key ID → public key."""

    @property
    def member(self) -> str:
        """The account as an IAM member."""
        return f"serviceAccount:{self.email}"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who signed in with `gcloud auth application-default login`."""

    email: str
    client_id: str
    client_secret: str
    refresh_token: str

    @property
    def member(self) -> str:
        """The user as an IAM member."""
        return f"user:{self.email}"


@dataclass(frozen=True, slots=True)
class Grant:
    """An access token."""

    token: str
    members: frozenset[str]
    """The IAM members for which it speaks."""
    scopes: frozenset[str]
    expires: float
    """Seconds since 1970."""


class Cloud:
    """Everything that more than one service has to know."""

    def __init__(self, journal: Journal, faults: Faults, now: Callable[[], float]) -> None:
        self.journal = journal
        self.faults = faults
        self.now = now
        self.providers: list[Provider] = []
        self.accounts: list[Account] = []
        self.users: list[User] = []
        self.grants: dict[str, Grant] = {}
        """Every token that was ever issued."""
        self.lock = threading.Lock()

    def issue(self, kind: str, members: Iterable[str], scopes: Iterable[str], seconds: float) -> Grant:
        """Make a token, which is a secret from now on, as is what a client makes of it for an index."""
        # Google pads the tokens of service accounts with dots; whoever matches them must not stop at a word's end.
        token = f"ya29.{kind}.{secrets.token_urlsafe(120)}{'.' * 40 if kind == 'c' else ''}"
        grant = Grant(token, frozenset(members), frozenset(scopes), self.now() + seconds)
        with self.lock:
            self.grants[token] = grant
        basic = base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()
        self.journal.secrets.update({token, basic})
        return grant

    def grant(self, token: str) -> Grant | None:
        """Give the token's grant while it lasts."""
        grant = self.grants.get(token)
        return grant if grant is not None and grant.expires > self.now() else None

    def revoke(self) -> None:
        """Make every token that was issued so far worthless before its time."""
        with self.lock:
            self.grants.clear()

    def account(self, name: str) -> Account | None:
        """Find a service account by its e-mail address or its number."""
        return next((each for each in self.accounts if name in (each.email, each.unique_id)), None)

    def unless(self, faults: Mapping[str, Answer], go_on: Callable[[], Answer]) -> Answer:
        """Go on, unless one of these faults happens: then the answer is its own, or the one that stands beside it."""
        for name, usual in faults.items():
            fired = self.faults.take(name)
            if fired is not None:
                return fired if isinstance(fired, Answer) else usual
        return go_on()

    def happens(self, name: str) -> bool:
        """Say whether a fault that changes an answer happens this time."""
        return self.faults.take(name) is not None


def oauth_error(error: str, description: str, status: int = 400) -> Answer:
    """Give an error as the token endpoints say it (RFC 6749)."""
    return json_answer({"error": error, "error_description": description}, status, JSON)


def api_error(code: int, message: str, status: str, *details: Mapping[str, Any]) -> Answer:
    """Give an error as Google's APIs say it (google.rpc.Status)."""
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return json_answer({"error": error}, code, JSON)


def error_info(reason: str, domain: str, **metadata: str) -> dict[str, Any]:
    """Give the detail that says why in words for machines."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }


def html_page(status: int, title: str) -> Answer:
    """Give a page as Google's front ends have it before any service."""
    body = f"<title>Error {status} ({title})!!1</title>\n<p><b>{status}.</b> That's an error.\n"
    page = f"<!DOCTYPE html>\n<html lang=en>\n{body}"
    return Answer(status, headers=HTML, body=page.encode())


def too_many(said: Answer) -> Answer:
    """Add to an answer when to come back."""
    headers = said.headers.items() if isinstance(said.headers, Mapping) else said.headers
    return replace(said, headers=[*headers, ("Retry-After", str(RETRY_AFTER))])


def bearer(header: str | None) -> str | None:
    """Read the token out of an Authorization header."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def fields_of(kind: str | None, body: bytes) -> dict[str, Any]:
    """Read a body that is a JSON object; empty if it is none."""
    if (kind or "").partition(";")[0].strip().lower() != "application/json":
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
