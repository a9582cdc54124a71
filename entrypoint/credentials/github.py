"""GitHub as an identity provider: ID tokens of a job, what they say, and why there may be none.

Source: https://docs.github.com/en/actions/reference/security/oidc and actions/runner 2.336 (2026-08), which passes the
two variables below into containers of actions.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from entrypoint.credentials.exchange import Exchange, Question
from entrypoint.credentials.problems import documented
from entrypoint.errors import CredentialError
from entrypoint.index.urls import read

URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - the name of a variable

PERMISSION = """\
permissions:
  id-token: write   # lets this job prove who it is; a job's `permissions` replace those of the workflow
  contents: read    # only if the job checks the repository out"""

FORK = (
    "GitHub gives no ID token to pull requests from forks, whatever their `permissions` say: publish from a `push` of "
    "a tag, a `release` or a `workflow_dispatch`."
)


def here(environ: Mapping[str, str]) -> bool:
    """Tell whether this is a job of GitHub's."""
    return environ.get("GITHUB_ACTIONS") == "true"


def available(environ: Mapping[str, str]) -> bool:
    """Tell whether the job may have an ID token."""
    return bool(environ.get(URL) and environ.get(TOKEN))


def missing(environ: Mapping[str, str], wanted: str) -> CredentialError:
    """Say why the job has no ID token. `wanted` is what it is needed for, as the beginning of a sentence."""
    if _from_fork(environ):
        return documented(
            "No ID token: this is a pull request from a fork",
            f"{wanted} needs an ID token of GitHub's, and this run was triggered by a fork's pull request.",
            FORK,
        )
    return documented(
        "No ID token: `id-token: write` is missing",
        f"{wanted} needs an ID token of GitHub's, and the job may not have one: {URL} is not set in its environment.",
        "Give the job that publishes this permission. If it is a job of a reusable workflow, the job that calls it "
        "needs the permission too: a called workflow gets no more than its caller grants.",
        block=PERMISSION,
    )


def id_token(exchange: Exchange, environ: Mapping[str, str], audience: str) -> str:
    """Get a new ID token for an audience: a JWT that lives five minutes.

    Raises `CredentialError`, and `Unavailable` when GitHub does not answer.
    """
    url, secret = environ[URL], environ[TOKEN]
    exchange.mask(secret)
    address = read(url, URL).url
    if address.scheme != "https" and not address.loopback:
        raise documented(
            "GitHub's URL for ID tokens is not https",
            f"{URL} leads to {address.host} by `http`, where anybody on the way could read the job's identity.",
            "Nothing in a workflow should set this variable: find out what does.",
        )
    asked = Question(
        "GET",
        str(httpx.URL(url).copy_merge_params({"audience": audience})),
        {"Authorization": f"Bearer {secret}"},
    )
    reply = exchange.ask("GitHub", lambda: asked)
    token = reply.token("value")
    if reply.status != httpx.codes.OK or not token:
        completed = "completed" in reply.text("message").lower()
        raise documented(
            "GitHub gave no ID token",
            f"It was asked for one with the audience {audience!r}: {reply.shape}.",
            "The variables belong to a job that has ended: let the job that publishes ask for its own."
            if completed
            else "See https://www.githubstatus.com, and run the job again. On a server of your own, its settings for "
            "OpenID Connect decide.",
        )
    exchange.mask(token)
    if claims(token).get("aud") != audience:
        raise documented(
            "GitHub's ID token is not what was asked for",
            f"It is no JWT for the audience {audience!r}.",
            "See https://www.githubstatus.com, and run the job again.",
        )
    return token


def claims(token: str) -> dict[str, str]:
    """Read what a JWT claims, without checking its signature: for people, who see nothing else of it.

    Claims are no secret; everything is made a text, and what is no JWT claims nothing.
    """
    try:
        payload: Any = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        texts = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in payload.items()]
    except (IndexError, ValueError, AttributeError, RecursionError):
        return {}
    return {name: text.encode(errors="replace").decode() for name, text in texts}  # JSON takes half characters


def file_of(workflow_ref: str) -> str:
    """Give the file in `OWNER/REPO/.github/workflows/FILE@REF`."""
    return workflow_ref.partition("@")[0].rpartition("/")[2]


def _from_fork(environ: Mapping[str, str]) -> bool:
    if environ.get("GITHUB_EVENT_NAME") != "pull_request":
        return False
    try:
        event: Any = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_bytes())
        return bool(event["pull_request"]["head"]["repo"]["fork"])
    except (KeyError, TypeError, ValueError, OSError, RecursionError):
        return False  # also when the fork is gone: `repo` is null then
