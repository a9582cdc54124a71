"""Credentials: who we are to the index.

A provider answers in one of three ways: `None` (not mine), a credential (mine), an exception (mine, and broken).
The first that does not answer `None` decides.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import httpx

from entrypoint.errors import CredentialError, InputError
from entrypoint.index import Index, Located, Origin


@dataclass(frozen=True, slots=True)
class Context:
    """What providers decide by."""

    index: Index
    user: str | None
    password: str | None = field(repr=False)

    @classmethod
    def of(cls, located: Located, user: str | None, password: str | None) -> Context:
        """Join the inputs with what the URL holds. Raises `InputError` when the two say different things."""
        for name, given, inside in (("user", user, located.user), ("password", password, located.password)):
            if given and inside and given != inside:
                raise InputError(
                    f"Two values for `{name}`",
                    f"`{name}` is given, and the upload URL holds another one (values are not shown).",
                    "Take user name and password out of the URL.",
                )
        return cls(located.index, user or located.user, password or located.password)


class Credential(httpx.Auth):
    """Adds `Authorization` to requests for one origin, and to no others."""

    def __init__(self, origin: Origin, source: str, authorization: str | None, secrets: tuple[str, ...] = ()) -> None:
        self.origin = origin
        self.source = source
        """Where it comes from, for the log."""
        self.secrets = secrets
        """Everything that must not be seen, to be masked before the first request."""
        self._authorization = authorization

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request at its first sending: a streamed body cannot be sent again after a 401."""
        if self._authorization and _origin(request.url) == self.origin:
            request.headers["Authorization"] = self._authorization
        yield request


def _origin(url: httpx.URL) -> Origin:
    return (url.scheme, url.host, url.port or {"http": 80, "https": 443}[url.scheme])


Provider = Callable[[Context], Credential | None]


def basic(index: Index, user: str, password: str, source: str) -> Credential:
    """Make HTTP Basic authentication (RFC 7617, UTF-8)."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Credential(index.origin, source, f"Basic {token}", (password, token))


def nobody(index: Index, source: str) -> Credential:
    """Make a credential that adds nothing."""
    return Credential(index.origin, source, None)


def resolve(context: Context, providers: tuple[Provider, ...]) -> Credential:
    """Find the credential to upload with. Raises `CredentialError` when there is none, or half of one."""
    for provider in providers:
        if credential := provider(context):
            return credential
    raise CredentialError(
        f"No credential for {context.index.title}",
        "`password` is empty, and no other way to sign in is served by this version. If the workflow sets "
        "`password` from a secret, that secret is not set, or not visible to this job (pull requests from forks, "
        "another environment).",
        "Give an API token: `password: ${{ secrets.INDEX_TOKEN }}`. For an index that takes anonymous uploads, "
        "give `user: anonymous`.",
    )
