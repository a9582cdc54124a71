"""Errors, by who can put them right; and notes, for what needs no putting right.

::

    PublishError
     ├─ InputError         the workflow's `with:`      → edit the workflow
     ├─ DistributionError  a file in packages-dir      → rebuild it
     ├─ CredentialError    no identity, or refused     → permissions, publisher, IAM
     ├─ Refused            the index said no           → its own words, quoted
     └─ Unavailable        no answer, 5xx, 429         → run the job again
         └─ Unreachable    no connection: nothing sent → the URL, DNS, TLS, proxy

Each has a title (what is wrong), a detail (what was seen) and a tip (what to do). Anything that is not a
`PublishError` is a bug in this program.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, Self, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class PublishError(Exception):
    """Something a user can put right.

    Titles are neither masked nor written to the log by GitHub, so what matters is in `detail` and `tip`.
    None of them ever holds a secret. `path` is the distribution concerned, as the user would write it, and `rule`
    the preflight rule that found it. `block` is to be shown as it stands, or to be pasted: a table, YAML, a command;
    `links` lead to where the tip sends the user.
    """

    def __init__(
        self,
        title: str,
        detail: str,
        tip: str,
        *,
        path: str | None = None,
        rule: str = "",
        block: str = "",
        links: tuple[str, ...] = (),
    ) -> None:
        super().__init__(title, detail, tip)
        self.title = title
        self.detail = detail
        self.tip = tip
        self.path = path
        self.rule = rule
        self.block = block
        self.links = links

    def __str__(self) -> str:
        return f"{self.title}: {self.detail}"

    def saying(self, more: str) -> Self:
        """Give the same error, with more that was seen."""
        error = copy.copy(self)
        error.detail = f"{self.detail}{more}"
        return error


class InputError(PublishError):
    """The workflow asked for something that cannot be: edit its `with:`."""


class DistributionError(PublishError):
    """A file in `packages-dir` cannot be published as it is: rebuild it."""


class CredentialError(PublishError):
    """There is no credential, or the index does not take it."""


class Refused(PublishError):  # noqa: N818 - the tree reads as sentences: "refused", "unavailable"
    """The index answered no, for a reason that stays true when asked again."""


class Unavailable(PublishError):  # noqa: N818 - see Refused
    """The index did not answer, or could not.

    `again` says whether a later try may help, `retry_after` how many seconds the server asked to wait before it.
    """

    def __init__(
        self,
        title: str,
        detail: str,
        tip: str,
        *,
        path: str | None = None,
        again: bool = True,
        retry_after: float | None = None,
        links: tuple[str, ...] = (),
    ) -> None:
        super().__init__(title, detail, tip, path=path, links=links)
        self.again = again
        self.retry_after = retry_after


class Unreachable(Unavailable):
    """There is no connection to the index, so nothing was sent."""


class Note(NamedTuple):
    """Something found on the way that a user should know, as a value: what becomes of it is decided later.

    What reads a file yields notes of any level; `strict` and `verify-metadata` move the level.
    """

    level: Literal["notice", "warning", "error"]
    title: str
    detail: str
    path: str | None = None
    tip: str = ""
    rule: str = ""
    """Name of the preflight rule that found it, as in docs/preflight.md."""
    prevents: str = ""
    """What the index would answer to the file, in its own words, without the status."""
    final: bool = False
    """Whether an error stays one when the user asks for lenience (`verify-metadata: false`)."""
    block: str = ""
    """Lines to be shown as they stand, or to be pasted."""
    links: tuple[str, ...] = ()

    @classmethod
    def of(cls, level: Literal["notice", "warning"], error: PublishError) -> Note:
        """Tell of an error that stops nothing."""
        return cls(level, error.title, error.detail, tip=error.tip, block=error.block, links=error.links)

    @property
    def whole(self) -> str:
        """What was seen, and what the index would say to it."""
        return f"{self.detail} The index would answer: “{self.prevents}”" if self.prevents else self.detail


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors of a group, or the error itself if it is none."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def gather(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Do both steps and give both answers.

    Raises one `ExceptionGroup` with the problems of both if either fails, so that a user sees all of them at once.
    """
    problems: list[Exception] = []
    answers: list[object] = []
    for step in (first, second):
        try:
            answers.append(step())
        except* PublishError as group:
            problems.extend(group.exceptions)
    if problems:
        raise ExceptionGroup("several problems", problems)
    a, b = answers
    return a, b  # type: ignore[return-value]  # the order of `answers` is that of the parameters
