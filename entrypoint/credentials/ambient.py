"""ID tokens on other systems than GitHub's: GitLab, Buildkite, CircleCI and Google, through the package `id`.

`id` reads the environment of the process and asks with a client of its own, which knows no proxy (1.6.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from entrypoint.credentials.exchange import Exchange, quoted
from entrypoint.credentials.problems import documented

SYSTEMS = {
    "GITLAB_CI": "GitLab",
    "BUILDKITE": "Buildkite",
    "CIRCLECI": "CircleCI",
    "GOOGLE_SERVICE_ACCOUNT_NAME": "Google",
}
"""Variable by which a system is known → its name."""

_PASSING = re.compile(r"timed out|code='?(429|5\d\d)")
"""What `id` says of a failure that may pass."""


def system(environ: Mapping[str, str]) -> str:
    """Name the system that runs this job; empty where it is none of these."""
    return next((name for variable, name in SYSTEMS.items() if environ.get(variable)), "")


def id_token(exchange: Exchange, audience: str) -> str:
    """Get an ID token for an audience. Raises `CredentialError`."""
    import id as ambient  # noqa: PLC0415 - few runs need it

    tried = 0
    while True:
        tried += 1
        try:
            token = ambient.detect_credential(audience)
        except (ambient.IdentityError, OSError, ValueError) as error:  # the latter two are of what it runs and asks
            pause = exchange.patience.pause(tried) if _PASSING.search(str(error)) else None
            if pause is None:
                raise documented(
                    "No ID token from this system",
                    f"{quoted(str(error).partition(', body=')[0])}.",
                    "On GitLab declare it: `id_tokens: {PYPI_ID_TOKEN: {aud: pypi}}` (for TestPyPI `TESTPYPI_ID_TOKEN` "
                    "and `testpypi`, for attestations `SIGSTORE_ID_TOKEN` and `sigstore`). On Buildkite the agent has "
                    "to be on PATH, on CircleCI its command line tool.",
                ) from error
            exchange.patience.clock.sleep(pause)
            continue
        if token is None:
            raise documented(
                "No identity here",
                "`trusted-publishing` is 'always', and this is a job of no system that gives ID tokens (GitHub "
                "Actions, GitLab, Buildkite, CircleCI, Google Cloud).",
                "Publish from one of these, or with a `password`.",
            )
        exchange.mask(token)
        return token
