"""Confirmation: waiting until the index serves what was sent to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat

from entrypoint.errors import Note, Refused
from entrypoint.patience import PAUSES, Clock
from entrypoint.plan import differs, files_shown
from entrypoint.stock import Look, Match, Stock
from entrypoint.upload.outcome import PUBLIC, Outcome
from entrypoint.upload.progress import BEAT


def confirm(
    outcomes: Sequence[Outcome], stock: Stock, clock: Clock, seconds: float, say: Callable[[str], None]
) -> tuple[list[Outcome], list[Note]]:
    """Look for the public files until all are served with their hash, or so many seconds have gone by.

    Gives the outcomes that are known better now, and a warning for each file that the index does not show in time.
    `say` takes a line for the log, now and then.
    """
    deadline, said = clock.seconds() + seconds, -math.inf
    waiting = [outcome for outcome in outcomes if outcome.state in PUBLIC]
    total = files_shown(len(waiting))
    settled: list[Outcome] = []
    for pause in chain(PAUSES, repeat(PAUSES[-1])):
        looks = stock.looks([outcome.distribution for outcome in waiting])
        judged = [_judged(outcome, look, stock) for outcome, look in zip(waiting, looks, strict=True)]
        settled += [each for each in judged if each]
        waiting = [outcome for outcome, known in zip(waiting, judged, strict=True) if known is None]
        left = deadline - clock.seconds()
        if not waiting or left <= 0 or not stock.known:
            break
        if clock.seconds() - said >= BEAT:
            said = clock.seconds()
            say(f"  waiting   the index serves {len(settled)} of {total} so far, {left:.0f} s are left")
        clock.sleep(min(pause, left))
    return settled, list(_late(waiting, seconds, stock))


def _judged(outcome: Outcome, look: Look, stock: Stock) -> Outcome | None:
    """Tell what a look says about a file that was sent; `None`: nothing yet."""
    outcome = outcome._replace(remote_sha256=look.sha256)
    if look.match is Match.OTHER:
        return _wrong(outcome._replace(state="conflict"), differs(outcome.distribution, look))
    if look.match is not Match.SAME or look.remote is None:
        return None
    served, distribution = look.remote.core_metadata, outcome.distribution
    if distribution.found.kind == "wheel" and served and served != distribution.metadata_sha256:
        seen = f"METADATA in the file has sha256 {distribution.metadata_sha256}, that on the index {served}."
        return _wrong(outcome._replace(state="failed"), seen)
    if outcome.attested and not stock.attests(look, outcome.attested.signatures):
        return None
    return outcome._replace(state="uploaded") if outcome.state == "accepted" else outcome


def _wrong(outcome: Outcome, seen: str) -> Outcome:
    tip = "Do not use this release: yank it, find out who else writes to the index, and give it a new version."
    return outcome._replace(error=Refused("The index serves something else", seen, tip))


def _late(outcomes: Sequence[Outcome], seconds: float, stock: Stock) -> Iterator[Note]:
    why = f"within {seconds:.0f} s" if stock.known else ", for it is not known where its simple index is"
    tip = "Look again later, before something else relies on it." if stock.known else "Give `check-url`."
    for outcome in outcomes:
        found = outcome.distribution.found
        what = f"{found.filename} with its attestations" if outcome.attested else found.filename
        title, detail = "Not visible yet", f"The index was not seen to serve {what} {why}."
        yield Note("warning", title, detail.replace(" ,", ","), found.shown, tip)
