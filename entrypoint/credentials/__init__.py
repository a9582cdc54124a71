"""Credentials: who we are to the index.

A provider answers in one of three ways: `None` (not mine), a credential (mine), an exception (mine, and broken).
The first that does not answer `None` decides. A choice costs no request: what has to be fetched, is fetched at its
first use.
"""

from __future__ import annotations

import base64
import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

import httpx  # noqa: TC002 - the client needs it anyway

from entrypoint.client import Signer
from entrypoint.credentials.exchange import Exchange
from entrypoint.errors import CredentialError, InputError, Note, PublishError
from entrypoint.index import Index, Located, Origin
from entrypoint.index.urls import PORTS
from entrypoint.inputs import Inputs
from entrypoint.threads import side_by_side

MARGIN = 60.0
"""Seconds that a token should have left when an upload ends."""

SLOWEST = 2.0**20
"""Bytes a second that an upload is expected to make at least. PyPI judges a token when the whole body is there."""

ASSUMED = 900.0
"""Seconds for which a token is taken to be good if nobody says: PyPI's live that long (source, 2026-08)."""


GOODBYE = 3.0
"""Seconds for all tokens to be given back: a run that is cancelled has nine to end."""


class Surroundings(NamedTuple):
    """Where this program runs, and for what."""

    environ: Mapping[str, str]
    workspace: Path
    projects: tuple[str, ...]
    """Normalised names of what is to be published."""
    note: Callable[[Note], None]
    """Takes what a user should know."""

    def __repr__(self) -> str:
        return f"Surroundings({self.projects})"  # the environment holds secrets


class Context:
    """What providers decide by, and work with."""

    def __init__(
        self,
        index: Index,
        inputs: Inputs,
        user: str | None,
        password: str | None,
        around: Surroundings,
        exchange: Exchange,
    ) -> None:
        self.index: Final = index
        self.inputs: Final = inputs
        self.user: Final = user
        self.password: Final = password
        self.around: Final = around
        self.exchange: Final = exchange

    @classmethod
    def of(cls, located: Located, inputs: Inputs, around: Surroundings, exchange: Exchange) -> Context:
        """Join the inputs with what the URL holds. Raises `InputError` when the two say different things."""
        for name, given, inside in (("user", inputs.user, located.user), ("password", inputs.token, located.password)):
            if given and inside and given != inside:
                raise InputError(
                    f"Two values for `{name}`",
                    f"`{name}` is given, and the upload URL holds another one (values are not shown).",
                    "Take user name and password out of the URL.",
                )
        user, password = inputs.user or located.user, inputs.token or located.password
        return cls(located.index, inputs, user, password, around, exchange)


class Grant(NamedTuple):
    """What opens the index, and for how long."""

    user: str
    token: str
    principal: str = ""
    """Who we are with it, for the log."""
    life: float | None = None
    """Seconds for which it is good; `None`: until somebody revokes it."""
    give_back: Callable[[], object] | None = None
    """Makes it worthless. Never fails."""
    once: bool = False
    """Whether it is good for one upload only."""

    def __repr__(self) -> str:
        return f"Grant({self.user!r}, principal={self.principal!r})"  # without the token

    @property
    def basic(self) -> str:
        """HTTP Basic authentication (RFC 7617, UTF-8)."""
        return base64.b64encode(f"{self.user}:{self.token}".encode()).decode()


class Credential(Signer):
    """Adds `Authorization` to requests for one origin, and to no others.

    What it adds is obtained at the first such request, and again when it is about to expire; by one thread at a time.
    Requests that are signed raise the `PublishError` of whoever could not get a token.
    """

    def __init__(
        self,
        context: Context,
        source: str,
        obtain: Callable[[], Grant | None],
        *,
        lasting: bool = False,
        reads: bool = True,
        explain: Callable[[PublishError, int, str], PublishError] | None = None,
    ) -> None:
        self.source = source
        """Where it comes from, for the log."""
        self.lasting = lasting
        """Whether it is at hand: nobody has to be asked for it."""
        self.reads = reads
        """Whether the index is read with it, and not only written."""
        self._origin = context.index.origin
        self._exchange = context.exchange
        self._obtain = obtain
        self._explain = explain
        self._lock = threading.Lock()
        self._grant: Grant | None = None
        self._good_until = 0.0
        self._spent = False
        self._obtained: list[Grant] = []

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request at its first sending: a streamed body cannot be sent again after a 401."""
        if _origin(request.url) == self._origin:
            grant = self._current(int(request.headers.get("Content-Length", 0)), use=True)
            if grant:
                request.headers["Authorization"] = f"Basic {grant.basic}"
        yield request

    @property
    def publisher(self) -> bool:
        """Whether we sign in as a trusted publisher: the only ones whose token reads nothing."""
        return not self.reads

    @property
    def said(self) -> str:
        """Say where it comes from, unless that was said when it was fetched."""
        if self._obtained and not self.lasting:
            return ""
        return f"Credential: {self.source}{'' if self.lasting else ', fetched when it is needed'}."

    def sign_in(self) -> None:
        """Get what is needed now, rather than with the first file; hear a signal meanwhile. Raises `PublishError`."""
        side_by_side(lambda _: self._current(), [None], 1)

    def renewed(self, refused: str | None) -> bool:
        """Get another token than the refused one, unless there is one by now, or none to be had."""
        if self.lasting:
            return False
        with self._lock:
            if self._grant and refused == f"Basic {self._grant.basic}":
                self._grant = None
                self._exchange.say("The index does not take the token any more: another one is fetched.")
        self._current()
        return True

    def explained(self, error: PublishError, status: int, project: str) -> PublishError:
        """Let whoever got the token explain why it is not enough."""
        return self._explain(error, status, project) if self._explain else error

    def close(self) -> None:
        """Make worthless what was obtained, all of it at once. Never fails, and does not take long."""
        ends = time.monotonic() + GOODBYE
        goodbyes = [
            threading.Thread(target=_quietly, args=(grant.give_back,), daemon=True)
            for grant in self._obtained
            if grant.give_back
        ]
        self._obtained.clear()
        for each in goodbyes:
            each.start()
        for each in goodbyes:
            each.join(max(0.0, ends - time.monotonic()))

    def _current(self, length: int = 0, *, use: bool = False) -> Grant | None:
        """Give what is good until a body of this length is sent; `None` where nothing is needed."""
        clock = self._exchange.patience.clock
        with self._lock:
            if not (self._grant and not self._spent and clock.seconds() < self._good_until - self._needed(length)):
                start = clock.seconds()
                self._grant = self._obtain()
                if self._grant:
                    self._new(self._grant, start)
            self._spent = use and self._grant is not None and self._grant.once
            return self._grant

    def _new(self, grant: Grant, start: float) -> None:
        self._obtained.append(grant)
        self._good_until = start + (math.inf if grant.life is None else grant.life)
        self._exchange.mask(grant.token)
        self._exchange.mask(grant.basic)
        if not self.lasting:
            self._exchange.say(f"Credential: {self.source}, {self._told(grant)}.")

    def _needed(self, length: int) -> float:
        life = self._grant.life if self._grant else None
        # A token that has most of its life before it is as good as another: there is none that lives longer.
        return 0.0 if life is None else min(MARGIN + length / SLOWEST, life / 2)

    def _told(self, grant: Grant) -> str:
        if grant.life is None:
            return grant.principal
        until = self._exchange.patience.clock.now() + timedelta(seconds=grant.life)
        return f"{grant.principal}, good until {until:%H:%M:%S} UTC"


def _quietly(give_back: Callable[[], object]) -> None:
    with suppress(Exception):  # whatever it is: it changes nothing, and the client may be closed by now
        give_back()


def _origin(url: httpx.URL) -> Origin:
    return (url.scheme, url.host, url.port or PORTS[url.scheme])


Provider = Callable[[Context], Credential | None]


def held(context: Context, user: str, password: str, source: str) -> Credential:
    """Make a credential of what is at hand."""
    return Credential(context, source, lambda: Grant(user, password), lasting=True)


def nobody(context: Context, source: str) -> Credential:
    """Make a credential that adds nothing."""
    return Credential(context, source, lambda: None, lasting=True)


def urls(inputs: Inputs, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Give a URL that identity services are asked at whatever the index, if any are."""
    asked = inputs.google or inputs.trusted_publishing == "always" or inputs.attestations == "required"
    return (environ.get("ACTIONS_ID_TOKEN_REQUEST_URL", "https://"),) if asked else ()


def resolve(context: Context, providers: Iterable[Provider]) -> Credential:
    """Find the credential to upload with. Raises `CredentialError` when there is none, or half of one."""
    for provider in providers:
        if credential := provider(context):
            return credential
    raise CredentialError(
        f"No credential for {context.index.title}",
        "`password` is empty, and there is no other way to sign in there. If the workflow sets "
        "`password` from a secret, that secret is not set, or not visible to this job (pull requests from forks, "
        "another environment).",
        "Give an API token: `password: ${{ secrets.INDEX_TOKEN }}`. For an index that takes anonymous uploads, "
        "give `user: anonymous`.",
    )
