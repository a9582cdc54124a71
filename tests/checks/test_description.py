"""How the description is rendered: once for all files, never for ever, one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from entrypoint.checks import description
from entrypoint.checks.description import DESCRIPTION, NOT_RENDERED, Fault
from entrypoint.threads import side_by_side


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Start and end without anything in the cache."""
    description._asked.cache_clear()
    yield
    description._asked.cache_clear()


def test_once_for_all_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are read side by side and share a description have it rendered once."""
    rendered: list[str] = []

    def slowly(text: str) -> Fault:
        rendered.append(text)
        time.sleep(0.05)
        return Fault(DESCRIPTION, text)

    monkeypatch.setattr(description, "_rendered", slowly)
    assert side_by_side(description._fault, ["same"] * 8, 4) == [Fault(DESCRIPTION, "same")] * 8
    assert rendered == ["same"]


def test_never_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A description that does not come to an end is given up, and while it goes on no other one is begun."""
    release = threading.Event()

    def endlessly(text: str) -> None:
        if text == "endless":
            release.wait(60)

    monkeypatch.setattr(description, "_rendered", endlessly)
    monkeypatch.setattr(description, "RENDER_SECONDS", 0.05)
    try:
        for text, seen in (("endless", "within 0 s"), ("endless", "within 0 s"), ("other", "another description")):
            fault = description._fault(text)
            assert fault is not None
            assert fault.rule is NOT_RENDERED
            assert seen in fault.seen
    finally:
        release.set()
    with description._rendering:
        pass
    assert description._fault("third") is None
