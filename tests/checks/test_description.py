"""How the description is rendered: once for all files, never for ever, apart from everything else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache

import pytest

from entrypoint.checks import description
from entrypoint.checks.description import DESCRIPTION, NOT_RENDERED, Fault
from entrypoint.threads import side_by_side


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Start and end without anything in the cache."""
    description._rendered.cache_clear()
    yield
    description._rendered.cache_clear()


def test_once_for_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are read side by side and share a description have it rendered once."""
    rendered: list[str] = []

    @lru_cache
    def slowly(text: str) -> Fault:
        rendered.append(text)
        time.sleep(0.05)
        return Fault(DESCRIPTION, text)

    monkeypatch.setattr(description, "_rendered", slowly)
    assert side_by_side(description._fault, ["same"] * 8, 4) == [Fault(DESCRIPTION, "same")] * 8
    assert rendered == ["same"]


TWICE = "".join(f".. |a{number}| replace:: |a{number + 1}| |a{number + 1}|\n" for number in range(30))
REPEATED = f".. |a| replace:: {'x' * 9000}\n\n" + "|a| " * 100 * 200


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f"{TWICE}.. |a30| replace:: x\n\n|a0|\n", "not rendered within"),
        (REPEATED.replace("|a| |a| |a| |a| |a|", "|a|\n\n"), "docutils fails with it: MemoryError."),
        ("".join(f"{' ' * depth}a\n\n" for depth in range(200)), "docutils fails with it: RecursionError: "),
    ],
    ids=["time", "memory", "depth"],
)
def test_never_for_ever(text: str, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A description on which docutils spends any time or memory is given up; others render after it."""
    monkeypatch.setattr(description, "SECONDS", 2)
    fault = description._fault(text)
    assert fault is not None
    assert fault.rule is NOT_RENDERED
    assert seen in fault.seen
    assert description._fault("A word.\n") is None


def test_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gets no processor is given up as well, though later."""
    monkeypatch.setattr(description, "PATIENCE", 0.001)
    fault = description._fault("A word.\n")
    assert fault is not None
    assert fault.rule is NOT_RENDERED


def test_line_ends() -> None:
    """Line ends of Windows and characters of any alphabet reach docutils as they are."""
    assert description._fault("Zażółć\r\n======\r\n\r\n🚀 *日本語*\r\n") is None
