"""Errors: the tree as it is drawn, and all problems at once."""

from __future__ import annotations

import re

import pytest

from entrypoint import errors
from entrypoint.errors import InputError, PublishError, Unavailable, gather, leaves


def test_the_tree_is_as_drawn() -> None:
    """The docstring draws each kind of error below its parent."""
    drawn: dict[str, str] = {}
    path: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^( *)(?:[├└]─ )?([A-Z][A-Za-z]+)(?: {2,}|$)", line)
        if match and (line.startswith("    PublishError") or "─" in line):
            depth = match.start(2)
            path = {at: name for at, name in path.items() if at < depth} | {depth: match[2]}
            drawn[match[2]] = path[max((at for at in path if at < depth), default=depth)]
    expected = {kind.__name__: kind.__bases__[0].__name__ for kind in _below(PublishError)}
    assert drawn == expected | {"PublishError": "PublishError"}


def _below(kind: type[PublishError]) -> list[type[PublishError]]:
    return [each for child in kind.__subclasses__() for each in (child, *_below(child))]


def test_gather() -> None:
    """Both answers come back, or the problems of both steps; a bug is not among them."""
    first, second = InputError("a", "b", "c"), Unavailable("d", "e", "f")

    def fails(*problems: Exception) -> int:
        raise ExceptionGroup("x", list(problems)) if len(problems) > 1 else problems[0]

    assert gather(lambda: 1, lambda: "x") == (1, "x")
    with pytest.raises(ExceptionGroup) as caught:
        gather(lambda: fails(first, second), lambda: fails(first))
    assert list(leaves(caught.value)) == [first, second, first]
    with pytest.raises(ZeroDivisionError):
        gather(lambda: fails(ZeroDivisionError()), lambda: 1)
