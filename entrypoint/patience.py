"""Patience: how often, and after how long, something is tried again; and the clock by which it waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

PAUSES = (2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before the second try, the third and so on; the last one before all that follow. A simple index behind a
cache may need some seconds to show what was stored."""

LONGEST = 300.0
"""Seconds that a server may ask us to stay away (`Retry-After`). Who asks for more is not asked again by this job."""


def _now() -> datetime:
    return datetime.now(UTC)


class Clock(NamedTuple):
    """Time: told, measured, and waited for."""

    now: Callable[[], datetime] = _now
    seconds: Callable[[], float] = time.monotonic
    """Monotonic."""
    sleep: Callable[[float], None] = time.sleep


class Patience(NamedTuple):
    """How often a request is made again when that may help."""

    retries: int
    """Tries after the first."""
    clock: Clock = Clock()
    jitter: Callable[[], float] = random.random
    """From 0 to 1. Jobs of a matrix that failed together must not come back together."""

    def pause(self, tried: int, asked: float | None = None) -> float | None:
        """Tell how many seconds to wait after so many tries, of which the server `asked` for some; None: give up."""
        if tried > self.retries or (asked is not None and asked > LONGEST):
            return None
        usual = PAUSES[min(tried, len(PAUSES)) - 1] * (1 + self.jitter()) / 2
        return usual if asked is None else max(asked, 0.0) + self.jitter()
