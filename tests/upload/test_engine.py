"""The engine: in which order files go, how many at a time, and how far a failure reaches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from entrypoint.client import Signer
from entrypoint.index import Index
from entrypoint.patience import Clock, Patience
from entrypoint.simple import Project, RemoteFile
from entrypoint.upload import Api, Listener, Outcome, publish
from entrypoint.upload.lane import AT_ONCE, WEARY
from tests.distributions import make_sdist, make_wheel
from tests.line import Waits
from tests.plans import GENERIC, planned, stock

FILES = ["a-1.0-py3-none-any.whl", "a-1.0.tar.gz", "a-2.0-py3-none-any.whl", "b-1.0-py3-none-any.whl", "b-1.0.tar.gz"]

BLIND = GENERIC._replace(guesses=())
"""An index of which nobody knows where it shows its files."""

Answer = Callable[[str], int]
"""File name → status."""


@dataclass(slots=True)
class Sent:
    """What came of an upload, and in which order."""

    outcomes: list[Outcome] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)
    """File names, in the order in which their uploads began to be answered."""
    open_at: dict[str, set[str]] = field(default_factory=dict)
    """File name → what else was in flight when it arrived."""
    most: int = 0
    """Uploads in flight at most."""

    @property
    def states(self) -> dict[str, str]:
        """File name → state."""
        return {each.distribution.found.filename: each.state for each in self.outcomes}


def send(
    folder: Path,
    answer: Answer,
    *,
    index: Index = BLIND,
    parallel: int = 4,
    retries: int = 0,
    seconds: float = 0.0,
    have: Mapping[str, Project | None] | None = None,
    clock: Clock | None = None,
) -> Sent:
    """Send what is in a folder; an upload takes so many seconds."""
    sent, lock, in_flight = Sent(), threading.Lock(), set[str]()

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(404)
        name = request.read().rpartition(b'filename="')[2].partition(b'"')[0].decode()
        with lock:
            sent.arrived.append(name)
            sent.open_at[name] = set(in_flight)
            in_flight.add(name)
            sent.most = max(sent.most, len(in_flight))
        time.sleep(seconds)
        status = answer(name)
        with lock:
            in_flight.discard(name)
        return httpx.Response(status)

    plan = planned(folder, index, have=have)
    started: list[str] = []
    listener = Listener(lambda each: started.append(each.found.filename), sent.outcomes.append, lambda _: None)
    with httpx.Client(transport=httpx.MockTransport(handle)) as http:
        api = Api(index, http, Signer())
        publish(plan, api, stock(index, http), Patience(retries, clock or Waits().clock), parallel, listener)
    assert sorted(sent.states) == sorted(each.found.filename for each in plan.distributions())
    assert len(sent.outcomes) == len(sent.states)
    assert all(each.reason for each in sent.outcomes if each.state == "not-attempted")
    assert sorted(started) == sorted(name for name, state in sent.states.items() if state != "not-attempted")
    return sent


def always(status: int = 200) -> Answer:
    """Answer the same to all."""
    return lambda _: status


def by_name(answers: Mapping[str, int]) -> Answer:
    """Answer some files otherwise than with 200."""
    return lambda name: answers.get(name, 200)


def wheels(folder: Path, number: int, project: str = "demo", version: str = "1.0") -> list[str]:
    """Make wheels of one release, each larger than the one before; give their names."""
    return [
        make_wheel(folder, project, version, tag=f"py3-none-manylinux_2_{each}_x86_64", filler=1000 * each).name
        for each in range(number)
    ]


@pytest.mark.parametrize(
    ("answers", "not_uploaded"),
    [
        ({}, {}),
        ({FILES[0]: 400}, {FILES[0]: "failed"}),
        ({FILES[0]: 503}, {FILES[0]: "failed"}),
        ({FILES[0]: 413, FILES[3]: 409}, {FILES[0]: "failed", FILES[3]: "failed"}),
        ({FILES[0]: 403}, {FILES[0]: "failed", FILES[1]: "not-attempted", FILES[2]: "not-attempted"}),
        ({FILES[2]: 403, FILES[3]: 403}, {FILES[2]: "failed", FILES[3]: "failed", FILES[4]: "not-attempted"}),
    ],
)
def test_reach(answers: Mapping[str, int], not_uploaded: Mapping[str, str], tmp_path: Path) -> None:
    """A refusal stops nothing else; a missing permission stops its project, in all versions, and no other."""
    five_files(tmp_path)
    assert send(tmp_path, by_name(answers)).states == {**dict.fromkeys(FILES, "uploaded"), **not_uploaded}


@pytest.mark.parametrize("status", [401, 404])
def test_what_holds_for_all(status: int, tmp_path: Path) -> None:
    """A wrong credential or URL stops every project: what is not in flight yet is not attempted."""
    names = wheels(tmp_path, 9)
    sent = send(tmp_path, by_name({names[0]: status}))
    assert sent.states == {names[0]: "failed", **dict.fromkeys(names[1:], "not-attempted")}
    assert sent.arrived == names[:1]
    assert all(names[0] in str(each.reason) for each in sent.outcomes[1:])


def five_files(folder: Path) -> None:
    for name, version in (("a", "1.0"), ("a", "2.0"), ("b", "1.0")):
        make_wheel(folder, name, version)
        if version == "1.0":
            make_sdist(folder, name, version)


def test_order_of_a_new_release(tmp_path: Path) -> None:
    """The smallest wheel goes alone, for it fixes the metadata; then the others side by side; the sdist alone, last."""
    names, sdist = wheels(tmp_path, 9), make_sdist(tmp_path, "demo").name
    sent = send(tmp_path, always(), parallel=4, seconds=0.03)
    assert set(sent.states.values()) == {"uploaded"}
    assert sent.arrived[0] == names[0]
    assert sent.arrived[-1] == sdist
    assert sent.open_at[sdist] == set()
    assert all(names[0] not in others for others in sent.open_at.values())
    assert sent.most == 4


def test_the_next_wheel_goes_alone_when_the_first_fails(tmp_path: Path) -> None:
    """As long as no wheel of a new release is stored, the next one goes alone."""
    names = wheels(tmp_path, 6)
    sent = send(tmp_path, by_name(dict.fromkeys(names[:2], 400)), seconds=0.02)
    assert sent.arrived[:3] == names[:3]
    assert all(sent.open_at[name] == set() for name in names[:3])
    assert all(not {*names[:3]} & sent.open_at[name] for name in names[3:])


def test_a_release_that_is_begun(tmp_path: Path) -> None:
    """Where the index has a file of the release already, no wheel goes alone."""
    wheels(tmp_path, 4)
    there = Project("demo", exists=True, files=(RemoteFile("demo-1.0-py2-none-any.whl", "", {}),))
    sent = send(tmp_path, always(), seconds=0.05, have={"demo": there})
    assert sent.most == 4


def test_projects_side_by_side(tmp_path: Path) -> None:
    """Projects go side by side, each with its own order; no more than so many uploads are in flight in all."""
    for number in range(24):
        wheels(tmp_path, 3, f"p{number}")
    sent = send(tmp_path, always(), parallel=16, seconds=0.02)
    assert set(sent.states.values()) == {"uploaded"}
    assert 4 < sent.most <= AT_ONCE


def test_one_at_a_time(tmp_path: Path) -> None:
    """`parallel: 1` sends the files of a project one by one, in the order of the plan."""
    names = wheels(tmp_path, 5)
    sent = send(tmp_path, always(), parallel=1, seconds=0.01)
    assert sent.arrived == names
    assert sent.most == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_after_5xx_one_at_a_time(status: int, tmp_path: Path) -> None:
    """Any 5xx lets its project go on one file at a time: uploads may have disturbed each other."""
    names = wheels(tmp_path, 12)
    first, together = set(names[1:4]), threading.Barrier(3)

    def answer(name: str) -> int:
        if name not in first:
            return 200
        first.remove(name)
        together.wait(30)
        return status if name == names[1] else 200

    sent = send(tmp_path, answer, parallel=3, retries=2, seconds=0.03)
    assert set(sent.states.values()) == {"uploaded"}
    assert sent.most == 3
    # Of those that arrived while the answer was on its way some had company; nobody has after them.
    late = sent.arrived[1 + 2 * 3 :]
    assert len(late) > 4
    assert all(not sent.open_at[name] for name in late)


def test_a_new_try_gives_its_place_to_others(tmp_path: Path) -> None:
    """While a file waits for its next try, another is sent, even where the project goes on one at a time."""
    names = wheels(tmp_path, 3)
    answers, other = iter([503, 200]), threading.Event()

    def answer(name: str) -> int:
        if name == names[2]:
            other.set()
        return next(answers) if name == names[1] else 200

    def sleep(_: float) -> None:
        assert other.wait(10), "nothing else was sent meanwhile"

    sent = send(tmp_path, answer, parallel=2, retries=3, clock=Clock(sleep=sleep))
    assert set(sent.states.values()) == {"uploaded"}
    assert sent.arrived.count(names[1]) == 2
    (outcome,) = [each for each in sent.outcomes if each.distribution.found.filename == names[1]]
    assert (outcome.attempts, outcome.status) == (2, 200)


def test_an_index_that_is_down(tmp_path: Path) -> None:
    """After some files in a row without any answer the index counts as down; a thousand would take hours to fail."""
    names = wheels(tmp_path, 12)
    sent = send(tmp_path, always(503), parallel=1, retries=4)
    assert list(sent.states.values()) == ["failed"] * WEARY + ["not-attempted"] * (len(names) - WEARY)
    assert len(sent.arrived) == WEARY * 5


def states_of(outcomes: Iterable[Outcome], state: str) -> Sequence[str]:
    """Give the names of the files in a state."""
    return [each.distribution.found.filename for each in outcomes if each.state == state]


def test_a_stop_while_sending(tmp_path: Path) -> None:
    """What stops the thread that waits lets nothing new begin, and what was done by then has been heard."""
    names = wheels(tmp_path, 6)
    heard: list[Outcome] = []

    def ended(outcome: Outcome) -> None:
        heard.append(outcome)
        if len(heard) == 2:
            raise KeyboardInterrupt

    arrived: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        arrived.append(request.read().rpartition(b'filename="')[2].partition(b'"')[0].decode())
        time.sleep(0.05)
        return httpx.Response(200)

    plan = planned(tmp_path, BLIND)
    with httpx.Client(transport=httpx.MockTransport(handle)) as http:
        api = Api(BLIND, http, Signer())
        listener = Listener(lambda _: None, ended, lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            publish(plan, api, stock(BLIND, http), Patience(0, Waits().clock), 1, listener)
        time.sleep(0.2)
    assert names[: len(arrived)] == arrived
    assert len(arrived) < len(names)
    assert set(states_of(heard, "uploaded")) <= set(arrived)
