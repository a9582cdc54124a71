"""What an answer means to the person who has to act."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.errors import CredentialError, Refused, Unavailable
from entrypoint.index import Index, Verdict, locate
from entrypoint.upload.answer import Answer
from entrypoint.upload.meaning import MEANINGS, explain
from entrypoint.upload.outcome import Scope

PYPI = locate(name="pypi", url=None, workspace=Path()).index

# Literal messages of warehouse (source of 2026-08-21) → words of the advice.
MESSAGES = {
    (
        400,
        "This filename was previously used by a file that has since been deleted. Use a different version.",
    ): "version",
    (400, "Only one sdist may be uploaded per release."): "one of the two sdists",
    (400, "Uploading new files to releases older than 14 days is not allowed."): "14 days",
    (400, "'2.9' is not a valid metadata version. See https://packaging.python.org/"): "older build backend",
    (400, "The use of local versions in '1+x' is not allowed."): "local part",
    (400, "'Foo' is not a valid classifier."): "classifiers",
    (400, "The classifier 'Foo' has been deprecated, use one of ['Bar'] instead."): "Replace",
    (400, "Can't have direct dependency: a @ https://b"): "release of the package",
    (400, "Binary wheel 'a.whl' has an unsupported platform tag 'linux_x86_64'."): "auditwheel",
    (400, "The description failed to render for 'text/x-rst'."): "twine check",
    (400, "Filename 'A-1.whl' should contain the normalized project name 'a', not 'A'."): "build backend",
    (400, "License-File LICENSE does not exist in distribution file a at b"): "licence files",
    (403, "The user 'u' isn't allowed to upload to project 'p'."): "owner or maintainer",
    (403, "Invalid API Token: project-scoped token is not valid for project: 'p'"): "scope",
    (403, "Invalid or non-existent authentication information."): "TestPyPI has its own",
    (403, "Username/Password authentication is no longer supported. Migrate to API Tokens"): "API token",
    (403, "User 'u', associated with the API token used, does not have a verified primary email address."): "e-mail",
    (403, "User 'u' does not have two-factor authentication enabled."): "two-factor",
    (429, "Too many new projects created"): "limits how many",
    (400, "The name 'n' is too similar to an existing project."): "another project name",
    (409, "The name 'n' conflicts with an existing project."): "another project name",
    (400, "The name 'n' isn't allowed."): "another project name",
    (400, "File too large. Limit for project 'p' is 100 MB."): "higher limit",
    (400, "Project size too large. Limit for project 'p' total size is 10 GB."): "old releases",
    (400, "The digest supplied does not match a digest calculated from the uploaded file."): "run the job again",
}


def answer(status: int, reason: str, location: str | None = None) -> Answer:
    """Make an answer that says so."""
    return Answer(status, reason, f"{reason}\n", location)


@pytest.mark.parametrize(("said", "advice"), MESSAGES.items(), ids=lambda value: str(value)[:40])
def test_messages_of_pypi(said: tuple[int, str], advice: str) -> None:
    """Each refusal is quoted in PyPI's words, with advice that fits it."""
    status, text = said
    error, _ = explain(PYPI, PYPI.verdict(status, text), answer(status, text), 1000)
    assert f"PyPI answered {status}: {text.rstrip('.')}" in error.detail
    assert advice in error.tip


def test_every_verdict_has_a_meaning() -> None:
    """Each verdict that is no success has a title and a tip."""
    assert set(MEANINGS) == set(Verdict) - {Verdict.STORED, Verdict.ACCEPTED}
    for verdict in MEANINGS:
        error, _ = explain(PYPI, verdict, answer(400, ""), 1)
        assert error.title
        assert error.tip.endswith((".", "!"))
        assert "without a reason" in error.detail


@pytest.mark.parametrize(
    ("status", "text", "kind", "scope"),
    [
        (400, "x", Refused, Scope.FILE),
        (401, "", CredentialError, Scope.INDEX),
        (403, "The user 'u' isn't allowed to upload to project 'p'.", CredentialError, Scope.PROJECT),
        (403, "Invalid or non-existent authentication information.", CredentialError, Scope.INDEX),
        (403, "New uploads are temporarily disabled.", Unavailable, Scope.PROJECT),
        (404, "", Refused, Scope.INDEX),
        (429, "slow down", Unavailable, Scope.FILE),
        (503, "", Unavailable, Scope.FILE),
    ],
)
def test_reach(status: int, text: str, kind: type[Exception], scope: Scope) -> None:
    """A failure is of the kind that says who can put it right, and reaches as far as its reason."""
    error, reach = explain(PYPI, PYPI.verdict(status, text), answer(status, text), 1)
    assert type(error) is kind
    assert reach is scope


def generic(url: str) -> Index:
    """Give the index of a URL."""
    return locate(name=None, url=url, workspace=Path()).index


def test_redirects_are_shown_without_credentials() -> None:
    """The target of a redirect is told, without user name and password."""
    index = generic("https://index.example/up")
    error, _ = explain(index, Verdict.MISDIRECTED, answer(301, "", "https://u:secret@other.example/x"), 1)
    assert "https://***@other.example/x" in error.detail
    assert "not followed" in error.detail


def test_the_size_is_told() -> None:
    """A file that is too large is told with its size."""
    error, _ = explain(generic("https://index.example/up"), Verdict.TOO_LARGE, answer(413, "Too Large"), 123_456_789)
    assert "123.5 MB" in error.detail
