"""The exchange: questions to those who know who we are, and their answers.

Every request to an identity service goes through here: it is never redirected, its answer is short and never shown,
and it is asked again when that may help. Proxies, certificates and `timeout` are those of the one client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx

from entrypoint.client import failure, retry_after, transient
from entrypoint.errors import CredentialError, Unavailable
from entrypoint.index import redacted
from entrypoint.patience import Patience
from entrypoint.runner import one_line, shortened

ANSWER_LIMIT = 2**20
"""Bytes of an answer. Tokens have some thousand."""

SECONDS = 30.0
"""Without progress, at most: PyPI was seen to take more than five for a publisher of 200 projects (warehouse#18514)."""

SHOWN = 300
"""UTF-16 units of what a service said that a message quotes."""


class Question(NamedTuple):
    """A request, made anew for each try."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    json: Mapping[str, object] | None = None
    content: bytes | None = None

    def __repr__(self) -> str:
        return f"Question({self.method!r}, {self.url!r})"  # the rest may hold a secret


class Reply(NamedTuple):
    """An answer to the end; its body may hold a secret."""

    status: int
    headers: httpx.Headers
    body: bytes

    def __repr__(self) -> str:
        return f"Reply({self.status})"

    @property
    def fields(self) -> Mapping[str, Any]:
        """The JSON object of the body, whatever type it claims to be; empty where there is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def text(self, name: str) -> str:
        """Give a field that is a text; empty where it is none."""
        value = self.fields.get(name)
        return value.encode(errors="replace").decode() if isinstance(value, str) else ""  # JSON takes half characters

    def token(self, name: str) -> str:
        """Give a field that is a token: characters that a header takes. Empty where it is none."""
        return token(self.fields.get(name))

    @property
    def shape(self) -> str:
        """Say what kind of answer it is, without a word of it."""
        media_type = self.headers.get("content-type", "").partition(";")[0].strip()
        return f"status {self.status}, {one_line(media_type) or 'of no type'}"


class Exchange(NamedTuple):
    """Asks questions."""

    http: httpx.Client
    patience: Patience
    timeout: float
    """Seconds without progress."""
    mask: Callable[[str], None]
    """Takes a secret, to be kept out of everything that is printed or written."""
    say: Callable[[str], None]
    """Takes a line for the log."""

    def ask(self, party: str, question: Callable[[], Question]) -> Reply:
        """Ask until there is an answer. `party` names who is asked.

        Raises `Unavailable` when there is none, and `CredentialError` where somebody else is to be asked: what is sent
        here is for one host only.
        """
        tried, unavailable = 0, None
        while True:
            try:
                asked, tried = question(), tried + 1
            except CredentialError as error:
                if unavailable:
                    raise unavailable.saying(f" It was not asked again. {error}") from error
                raise
            try:
                reply = self._once(asked)
            except httpx.TransportError as error:
                lost = failure(error, asked.url)
                unavailable = Unavailable(
                    f"No answer from {party}", f"{lost.title}. {lost.detail}", lost.tip, again=lost.again
                )
            except httpx.InvalidURL as error:
                raise CredentialError(
                    f"The URL of {party} is not usable", f"{redacted(asked.url)}: {error}.", "See where it comes from."
                ) from error
            else:
                if not transient(reply.status):
                    return _not_redirected(party, asked, reply)
                unavailable = Unavailable(
                    f"{party} could not answer",
                    f"{_host(asked.url)} answered {reply.status}.",
                    "Nothing is wrong with the release: run the job again.",
                    retry_after=retry_after(reply.headers),
                )
            pause = self.patience.pause(tried, unavailable.retry_after) if unavailable.again else None
            if pause is None:
                raise unavailable.saying(f" Tried {tried} times.") if tried > 1 else unavailable
            self.say(f"  again in {pause:.0f} s  {party}: {unavailable.detail}")
            self.patience.clock.sleep(pause)

    def once(self, question: Question, timeout: float) -> Reply | None:
        """Ask once, and do without an answer where there is none."""
        try:
            return self._once(question, timeout)
        except (httpx.TransportError, httpx.InvalidURL):
            return None

    def _once(self, question: Question, timeout: float | None = None) -> Reply:
        seconds = min(self.timeout, SECONDS, timeout or SECONDS)
        request = self.http.build_request(
            question.method,
            question.url,
            headers={**question.headers, "Accept": question.headers.get("Accept", "application/json")},
            json=question.json,
            content=question.content,
            timeout=httpx.Timeout(seconds, connect=min(seconds, self.http.timeout.connect or seconds)),
        )
        response = self.http.send(request, stream=True, auth=None)
        try:
            body = b""
            for block in response.iter_raw():
                body += block
                if len(body) > ANSWER_LIMIT:
                    break
            return Reply(response.status_code, response.headers, body[:ANSWER_LIMIT])
        finally:
            response.close()


def token(value: object) -> str:
    """Give a value that is a token: characters that a header takes. Empty where it is none."""
    return value if isinstance(value, str) and re.fullmatch("[!-~]+", value) else ""


def quoted(text: str) -> str:
    """Fit what a service said into a message: one line, not too long.

    It is cut between words: half a secret would not be known as one any more.
    """
    line = one_line(text)
    short = shortened(line, SHOWN)
    return line if short == line else f"{short.rpartition(' ')[0]} …".lstrip()


def _not_redirected(party: str, asked: Question, reply: Reply) -> Reply:
    if 300 <= reply.status < 400:  # noqa: PLR2004 - redirections (RFC 9110, 15.4)
        target = reply.headers.get("location", "")
        raise CredentialError(
            f"{party} sends us elsewhere",
            f"{_host(asked.url)} answered {reply.status}, pointing to {redacted(quoted(target)) or 'nowhere'}. It was "
            "not followed: a secret would have gone along.",
            "Check the URL, and a proxy that may ask for a login.",
        )
    return reply


def _host(url: str) -> str:
    return httpx.URL(url).host
