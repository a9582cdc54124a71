"""Package indexes: what each one speaks, accepts and means by its answers.

`dialects` has the differences as rows, `verdicts` what answers mean, `urls` reads what users paste, `uv` the indexes
that a workspace names. Nothing else in this program compares a URL with an index's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from entrypoint.errors import InputError, Note
from entrypoint.index.dialects import (
    DEVPI,
    GENERIC,
    HOSTED,
    MISTAKES,
    PYPI_INDEX,
    SELF_HOSTED,
    TESTPYPI_INDEX,
    Dialect,
    Index,
)
from entrypoint.index.urls import Origin, Url, read, redacted, repair
from entrypoint.index.uv import named_index
from entrypoint.index.verdicts import Verdict

__all__ = ["Index", "Located", "Origin", "Verdict", "locate", "redacted"]

_BUILT_IN = {dialect.common.name: dialect.form for dialect in (PYPI_INDEX, TESTPYPI_INDEX)}
"""Name → upload URL of the indexes that need no definition."""


class Located:
    """Where to publish, as resolved from the inputs."""

    def __init__(
        self, index: Index, user: str | None = None, password: str | None = None, notes: tuple[Note, ...] = ()
    ) -> None:
        self.index: Final = index
        self.user: Final = user
        """User name found in the URL, decoded."""
        self.password: Final = password
        self.notes: Final = notes
        """A notice for each repair, and a warning for a credential in clear."""

    def __repr__(self) -> str:
        return f"Located({self.index}, {self.user!r}, notes={self.notes})"  # without the password


def locate(*, name: str | None, url: str | None, workspace: Path, check_url: str | None = None) -> Located:
    """Find the index that the inputs `index`, or `repository-url` and `check-url`, mean: PyPI if none is given.

    Raises `InputError` for a URL or name that leads to no index.
    """
    if name is None:
        located = _located(_BUILT_IN["pypi"] if url is None else url, "`repository-url`")
        return located if check_url is None else _checked(located, check_url, "`check-url`")
    for other, value in {"repository-url": url, "check-url": check_url}.items():
        if value is not None:
            raise InputError(
                f"Inputs `index` and `{other}` exclude each other",
                f"`index` is `{redacted(name)}`, and `{other}` is given too.",
                f"Remove `index` or `{other}`: an index with a name brings its own URLs.",
            )
    if name in _BUILT_IN:
        return _located(_BUILT_IN[name], "`index`")
    named = named_index(name, workspace)
    located = _located(named.publish_url, f"`publish-url` of {named.place}")
    return located if named.url is None else _checked(located, named.url, f"`url` of {named.place}")


def _located(text: str, source: str) -> Located:
    """Read an upload URL and repair it. `source` names the input, for messages."""
    reading = read(text, source)
    url = reading.url
    dialect, base = _recognised(url)
    if refusal := _refusal(url, dialect, base):
        problems, forms = refusal
        raise InputError(
            f"Input {source} is not usable",
            f"{source} is `{reading.shown}`: it {' and '.join(problems)}.",
            f"Write `{'` or `'.join(forms)}`." if forms else "Publish to another index.",
        )
    index = dialect.index_at(url, base or "")
    notes = [*reading.notes]
    if index.upload_url != str(url):
        notes.append(repair(source, f"{index.title} takes uploads at another URL", str(url), index.upload_url))
    if url.scheme == "http" and not url.loopback:
        notes.append(
            Note(
                "warning",
                "The credential travels in clear",
                f"{source} starts with `http://`: whoever is on the way to {url.host} can read user name and password. "
                "Use `https://` if the server offers it.",
            )
        )
    return Located(index, reading.user, reading.password, tuple(notes))


def _recognised(url: Url) -> tuple[Dialect, str | None]:
    """Find the dialect of a URL, and the base of its pages: None if the host is known and the path is not."""
    for dialect in HOSTED:
        if dialect.serves(url.host):
            return dialect, dialect.base_of(url.path)
    for dialect in (*SELF_HOSTED, DEVPI):
        base = dialect.base_of(url.path)
        if base is not None:
            return dialect, base
    return GENERIC, url.path


def _refusal(url: Url, dialect: Dialect, base: str | None) -> tuple[list[str], tuple[str, ...]] | None:
    """Say all that keeps a URL from taking uploads (each goes on after "it"), and what to write instead."""
    problems: list[str] = []
    forms: tuple[str, ...] = (dialect.form,)
    if base is None:
        problems.append(f"is no upload URL of {dialect.common.title}")
    if dialect in HOSTED and url.scheme == "http":
        problems.append("would send the credential in clear by `http`")
        if base is not None:
            forms = (dialect.index_at(url._replace(scheme="https", port=None), base).upload_url,)
    mistake = next((mistake for mistake in MISTAKES if mistake.fits(url)), None)
    if mistake and dialect in (DEVPI, GENERIC):
        problems.append(mistake.why)
        forms = mistake.forms
    return (problems, forms) if problems else None


def _checked(located: Located, text: str, source: str) -> Located:
    """Replace the simple index by one that was given."""
    reading = read(text, source)
    url = reading.url
    dialect, base = _recognised(url)
    if dialect in HOSTED and url.scheme == "http":
        raise InputError(
            f"Input {source} is not usable",
            f"{source} is `{reading.shown}`: by `http` anyone on the way can change what {dialect.common.title} "
            "answers.",
            "Write `https://` instead of `http://`.",
        )
    root = _simple_root(url)
    if base is not None and dialect.simple:
        root = dialect.index_at(url, base).simple_url or root
    notes = [*located.notes, *reading.notes]
    if reading.user or reading.password:
        notes.append(
            Note(
                "warning",
                "A credential is not used",
                f"User name and password in {source} are left out: the simple index is read with the credential of the "
                "upload where both have the same scheme, host and port, and anonymously elsewhere.",
            )
        )
    if root.rstrip("/") != str(url).rstrip("/"):
        notes.append(repair(source, "it is no root of a simple index", str(url), root))
    return Located(located.index._replace(simple_url=root), located.user, located.password, tuple(notes))


def _simple_root(url: Url) -> str:
    """Cut the page of one project, and the query, which cannot be before a project's name."""
    segments = url.path.rstrip("/").split("/")
    if segments[-2:-1] in (["simple"], ["+simple"]):
        segments.pop()
    return str(url._replace(path="/".join([*segments, ""]), query=""))
