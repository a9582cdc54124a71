"""Credentials: found, bound to one origin, and never seen."""

from __future__ import annotations

from functools import partial

import httpx
import pytest

from entrypoint.credentials import Credential, Grant, providers, resolve, static
from entrypoint.credentials.exchange import Question, Reply
from entrypoint.errors import CredentialError, InputError
from tests.contexts import basic, context


def given(url: str, user: str | None = None, password: str | None = None) -> Credential:
    """Find the credential for an upload URL."""
    return resolve(context(url, _inputs(user, password)), providers.in_order())


def _inputs(user: str | None, password: str | None) -> dict[str, str]:
    return {name: value for name, value in (("user", user), ("password", password)) if value is not None}


def authorization(credential: Credential, url: str) -> str | None:
    """Give what a request to a URL is signed with."""
    headers = next(credential.auth_flow(httpx.Request("POST", url))).headers
    value: str | None = headers.get("Authorization")
    return value


PYPI, ANY = "https://upload.pypi.org/legacy/", "https://index.example/upload/"


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://index.example/upload/", True),
        ("https://index.example:443/elsewhere", True),
        ("https://INDEX.example/", True),
        ("http://index.example/upload/", False),
        ("https://index.example:8443/upload/", False),
        ("https://evil.example/upload/", False),
        ("https://index.example.evil.example/", False),
        ("https://sub.index.example/", False),
    ],
)
def test_one_origin(url: str, signed: bool) -> None:
    """A credential signs requests to its index's scheme, host and port, and to nothing else."""
    credential = basic(context(ANY).index, "user", "password")
    assert (authorization(credential, url) is not None) == signed


@pytest.mark.parametrize(
    ("url", "user", "password", "expected"),
    [
        (PYPI, None, "pypi-abc", ("__token__", "pypi-abc")),
        (PYPI, "__token__", "pypi-abc", ("__token__", "pypi-abc")),
        (ANY, None, "abc", ("__token__", "abc")),
        (ANY, "bob", "ü:b c", ("bob", "ü:b c")),
        ("https://bob:a%40b@index.example/upload/", None, None, ("bob", "a@b")),
        ("https://bob@index.example/upload/", None, "abc", ("bob", "abc")),
        ("https://bob:abc@index.example/upload/", "bob", "abc", ("bob", "abc")),
    ],
)
def test_user_and_password(url: str, user: str | None, password: str | None, expected: tuple[str, str]) -> None:
    """User and password come from the inputs, the URL or the index's convention, as Basic in UTF-8 (RFC 7617)."""
    masked: list[str] = []
    within = context(url, _inputs(user, password), mask=masked.append)
    credential = resolve(within, providers.in_order())
    assert authorization(credential, url.replace("bob:a%40b@", "").replace("bob:abc@", "").replace("bob@", "")) == (
        httpx.BasicAuth(*expected)._auth_header
    )
    assert masked == [expected[1], httpx.BasicAuth(*expected)._auth_header.removeprefix("Basic ")]
    assert expected[1] not in f"{credential.source}{credential!r}{within!r}"


def test_anonymous() -> None:
    """`user: anonymous` without a password signs nothing; with one it is a user like any other."""
    assert authorization(given(ANY, "anonymous"), ANY) is None
    assert authorization(given(ANY, "anonymous", "abc"), ANY) is not None


@pytest.mark.parametrize(
    ("url", "user", "password", "title"),
    [
        (PYPI, None, None, "No credential for PyPI"),
        (ANY, "bob", None, "`user` without `password`"),
        ("https://h.example/repository/r/", None, "abc", "`password` without `user`"),
        (PYPI, "bob", "pypi-abc", "PyPI takes no user names"),
    ],
)
def test_half_a_credential(url: str, user: str | None, password: str | None, title: str) -> None:
    """What is missing or cannot be is named before anything is sent."""
    with pytest.raises(CredentialError) as caught:
        given(url, user, password)
    assert caught.value.title == title
    assert caught.value.tip
    assert password is None or password not in str(caught.value)


@pytest.mark.parametrize(("user", "password"), [("carol", None), (None, "other")])
def test_two_values(user: str | None, password: str | None) -> None:
    """Unlike values in inputs and URL are an error that shows neither."""
    with pytest.raises(InputError) as caught:
        context("https://bob:hidden@index.example/", _inputs(user, password))
    assert "hidden" not in f"{caught.value}{caught.value.tip}"


@pytest.mark.parametrize(("url", "password", "doubts"), [(PYPI, "abc", 1), (PYPI, "pypi-abc", 0), (ANY, "abc", 0)])
def test_doubts(url: str, password: str, doubts: int) -> None:
    """On PyPI, and only there, a password that does not look like a token is doubted, without showing it."""
    notes = list(static.doubts(context(url, _inputs(None, password))))
    assert len(notes) == doubts
    assert all("abc" not in note.detail for note in notes)


def test_no_secret_has_a_repr() -> None:
    """What is made on the way to a credential can be printed."""
    secret = "s3cr3t-t0ken"
    headers = httpx.Headers({"Authorization": secret})
    made = context(ANY, {"password": secret}, {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret})
    values: list[object] = [
        made,
        made.around,
        made.exchange,
        Grant("me", secret, give_back=partial(print, secret)),
        Question("POST", ANY, headers, json={"token": secret}, content=secret.encode()),
        Reply(200, headers, secret.encode()),
    ]
    assert all(secret not in f"{value}{value!r}" for value in values)
