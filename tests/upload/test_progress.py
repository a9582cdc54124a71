"""How far an upload is: counted where bytes leave, and told every ten seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from entrypoint.client import Signer
from entrypoint.distribution import BLOCK, Distribution
from entrypoint.patience import Clock, Patience
from entrypoint.upload import Api, Listener, publish
from entrypoint.upload.multipart import Multipart
from entrypoint.upload.outcome import State
from entrypoint.upload.progress import BEAT, Flight, Pulse, Standing, Tally
from tests.distributions import make_wheel
from tests.line import Waits
from tests.plans import GENERIC, planned, stock


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.clock = Clock(seconds=lambda: self.now)


def files(folder: Path, number: int) -> tuple[Distribution, ...]:
    """Make wheels, and read them."""
    for each in range(number):
        make_wheel(folder, "demo", tag=f"py3-none-manylinux_2_{each}_x86_64")
    return tuple(planned(folder).distributions())


@pytest.fixture
def hand() -> Hand:
    """Make a clock."""
    return Hand()


def test_bytes_are_told_when_they_have_left(tmp_path: Path) -> None:
    """The body says how far it is when the next block is asked for: by then the one before has left."""
    path = tmp_path / "a.whl"
    path.write_bytes(b"x" * (2 * BLOCK + 5))
    heard: list[int] = []
    body: Iterator[bytes] = iter(Multipart([], path, 2 * BLOCK + 5, heard.append))
    seen = [list(heard) for _ in body]
    assert seen[1:] == [[], [BLOCK], [BLOCK, 2 * BLOCK], [BLOCK, 2 * BLOCK, 2 * BLOCK + 5]]


def test_a_file_that_is_sent_anew(tmp_path: Path) -> None:
    """A second try begins at nothing, and what left in the first one still counts for the rate."""
    (each,) = files(tmp_path, 1)
    flight = Flight(each)
    flight.at(100)
    flight.at(300)
    flight.sends()
    assert (flight.position, flight.moved) == (0, 300)
    flight.at(100)
    flight.at(50)  # within a try: the request was redirected
    assert (flight.position, flight.moved) == (50, 450)


def test_a_line(tmp_path: Path, hand: Hand) -> None:
    """A line says how many files and bytes are gone, how fast, and what is going on."""
    one, two, three, four = files(tmp_path, 4)
    tally = Tally([one, two, three, four], hand.clock)
    assert tally.standing().quiet
    done, under_way, failed = tally.begin(one), tally.begin(two), tally.begin(three)
    done.at(one.found.size)
    tally.end(done, "uploaded")
    tally.end(failed, "failed")
    under_way.sends()
    under_way.at(200)
    hand.now += 2
    standing = tally.standing()
    size = sum(each.found.size for each in (one, two, three, four))
    assert standing.share == (one.found.size + 200) / size
    assert standing.rate == (one.found.size + 200) / 2
    gone = f"{(one.found.size + 200) / 1000:.1f} of {size / 1000:.1f} kB"
    speed = round(standing.rate)
    assert str(standing) == f"1 of 4 files sent, 1 failed, {gone}, {speed} B/s, 1 under way"


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (Standing(50, 3, 0, 4_000_000_000, 1_200_000_000, 38e6, 2, 0, 0, ()),
         "3 of 50 files sent, 1.2 of 4.0 GB, 38.0 MB/s, 2 under way"),
        (Standing(1, 0, 0, 4_000_000_000, 20_000_000, 0, 1, 0, 0, ()),
         "0 of 1 file sent, 20.0 MB of 4.0 GB, 1 under way"),
        (Standing(2, 1, 0, 4000, 4000, 0, 0, 1, 0, ()),
         "1 of 2 files sent, 4.0 of 4.0 kB, 1 waiting for an answer"),
        (Standing(2, 1, 0, 4000, 2000, 0, 0, 0, 1, ()),
         "1 of 2 files sent, 2.0 of 4.0 kB, 1 being looked for on the index"),
        (Standing(2, 1, 0, 4000, 2000, 0, 0, 0, 0, ((12.3, "a.whl"),)),
         "1 of 2 files sent, 2.0 of 4.0 kB, trying again: a.whl in 12 s"),
        (Standing(3, 1, 0, 4000, 2000, 0, 0, 0, 0, ((-0.3, "a.whl"), (4.0, "b.whl"))),
         "1 of 3 files sent, 2.0 of 4.0 kB, trying again: 2 files, the first in 0 s"),
    ],
)  # fmt: skip
def test_lines(standing: Standing, said: str) -> None:
    """It is said what is waited for, also where nothing moves."""
    assert str(standing) == said
    assert not standing.quiet


def test_beats(tmp_path: Path, hand: Hand) -> None:
    """A line is due every ten seconds, none before the first ten, and none while nothing is going on."""
    (each,) = files(tmp_path, 1)
    tally = Tally([each], hand.clock)
    beats: list[float] = []
    glances: list[float] = []
    pulse = Pulse(tally, hand.clock, lambda _: beats.append(hand.now), lambda _: glances.append(hand.now))
    flight = tally.begin(each)
    for _ in range(100):
        hand.now += 0.25
        pulse.tick()
    assert not beats + glances  # it has no turn yet
    flight.sends()
    pulse.tick()
    for _ in range(100):
        hand.now += 0.25
        pulse.tick()
        pulse.tick()
    assert beats == [125.25, 135.25, 145.25]
    assert len(glances) == 100
    tally.end(flight, "uploaded")
    hand.now += BEAT
    pulse.tick()
    assert len(beats) == 3


def test_a_short_run_has_no_beat(tmp_path: Path, hand: Hand) -> None:
    """Whoever has waited for less than ten seconds is told nothing."""
    (each,) = files(tmp_path, 1)
    tally = Tally([each], hand.clock)
    beats: list[Standing] = []
    pulse = Pulse(tally, hand.clock, beats.append, lambda _: None)
    tally.begin(each).sends()
    hand.now += BEAT - 0.1
    pulse.tick()
    assert not beats


@pytest.mark.parametrize(("state", "sent", "failed"), [("uploaded", 1, 0), ("conflict", 0, 1), ("skipped", 0, 0)])
def test_what_counts_as_sent(state: State, sent: int, failed: int, tmp_path: Path, hand: Hand) -> None:
    """Files are sent when they are on the index; of the others only failures are counted."""
    (each,) = files(tmp_path, 1)
    tally = Tally([each], hand.clock)
    tally.end(tally.begin(each), state)
    standing = tally.standing()
    assert (standing.sent, standing.failed, standing.gone) == (sent, failed, sent * each.found.size)


def sent(folder: Path, answer: Callable[[int], int], clock: Clock, listener: Listener) -> None:
    """Publish what is in a folder to an index that answers what it is told to."""
    number = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal number
        if request.method == "GET":
            return httpx.Response(404)
        request.read()
        number += 1
        return httpx.Response(answer(number))

    with httpx.Client(transport=httpx.MockTransport(handle)) as http:
        publish(
            planned(folder, GENERIC),
            Api(GENERIC, http, Signer()),
            stock(GENERIC, http),
            Patience(2, clock),
            1,
            listener,
        )


def test_a_long_upload(tmp_path: Path, hand: Hand) -> None:
    """While the index takes its time, lines come from the thread that publishes, until it has answered."""
    files(tmp_path, 1)
    beats: list[str] = []
    twice = threading.Event()

    def beat(standing: Standing) -> None:
        assert threading.current_thread() is threading.main_thread()
        beats.append(str(standing))
        hand.now += BEAT
        if len(beats) == 2:
            twice.set()

    def answer(_: int) -> int:
        hand.now += BEAT
        assert twice.wait(30)
        return 200

    sent(tmp_path, answer, hand.clock, Listener(lambda _: None, lambda _: None, lambda _: None, beat))
    assert len(beats) == 2
    assert all("0 of 1 file sent" in each and "waiting for an answer" in each for each in beats)


def test_waiting_for_the_next_try(tmp_path: Path) -> None:
    """While nothing moves because a file is tried again later, the line says which and when."""
    files(tmp_path, 1)
    waits, beats, told = Waits(), list[str](), threading.Event()

    def beat(standing: Standing) -> None:
        beats.append(str(standing))
        told.set()

    ahead = 0.0

    def sleep(seconds: float) -> None:
        nonlocal ahead
        ahead = BEAT
        assert told.wait(30)
        ahead = BEAT + seconds

    clock = Clock(seconds=lambda: waits.clock.seconds() + ahead, sleep=sleep)
    listener = Listener(lambda _: None, lambda _: None, lambda _: None, beat)
    sent(tmp_path, lambda number: 503 if number == 1 else 200, clock, listener)
    assert "trying again: demo-1.0-py3-none-manylinux_2_0_x86_64.whl in " in beats[0]
