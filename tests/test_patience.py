"""How often, and after how long, something is tried again."""

from __future__ import annotations

import pytest

from entrypoint.patience import LONGEST, PAUSES, Patience


def test_pauses_grow() -> None:
    """Pauses grow up to the last one, and end with the retries."""
    patience = Patience(7, jitter=lambda: 1.0)
    assert [patience.pause(tried) for tried in range(1, 9)] == [2, 4, 8, 15, 30, 30, 30, None]


def test_jitter() -> None:
    """A pause is cut by up to a half at random, so that jobs that failed together do not come back together."""
    assert Patience(1, jitter=lambda: 0.0).pause(1) == PAUSES[0] / 2
    assert 1 <= (Patience(1).pause(1) or 0) <= 2


@pytest.mark.parametrize(("asked", "pause"), [(0.0, 0.5), (17.0, 17.5), (LONGEST, LONGEST + 0.5), (LONGEST + 1, None)])
def test_what_the_server_asks_for(asked: float, pause: float | None) -> None:
    """`Retry-After` is kept, a little later than asked; who asks for too much is not asked again."""
    assert Patience(1, jitter=lambda: 0.5).pause(1, asked) == pause


def test_no_retries() -> None:
    """With no retries there is one try."""
    assert Patience(0).pause(1) is None
