"""What providers decide by, made for a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from entrypoint.credentials import Context, Credential, Surroundings, held
from entrypoint.credentials.exchange import Exchange
from entrypoint.errors import Note
from entrypoint.index import Index, Located, locate
from entrypoint.inputs import Inputs
from entrypoint.patience import Clock, Patience
from tests.line import Waits


def context(  # noqa: PLR0913 - each is one side of a job
    url: str = "https://upload.pypi.org/legacy/",
    inputs: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    located: Located | None = None,
    http: httpx.Client | None = None,
    clock: Clock | None = None,
    workspace: Path = Path(),
    mask: Callable[[str], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    note: Callable[[Note], None] = lambda _: None,
) -> Context:
    """Make the context of a job that publishes `demo` to an upload URL; nothing is waited for."""
    at = located or locate(name=None, url=url, workspace=Path())
    patience = Patience(4, clock or Waits().clock, jitter=lambda: 0.0)
    exchange = Exchange(http or httpx.Client(transport=httpx.MockTransport(_nobody)), patience, 30, mask, say)
    around = Surroundings(environ or {}, workspace, ("demo",), note)
    return Context.of(at, Inputs.read({}, inputs), around, exchange)


def basic(index: Index, user: str, password: str) -> Credential:
    """Make a credential for an index out of a user name and a password."""
    return held(context(located=Located(index)), user, password, "test")


def _nobody(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"nobody should be asked, and {request.url} is")
