"""Recovery: whatever an index does to an upload, the run ends in a known state, from which the next one finishes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.distributions import make_sdist, make_wheel
from tests.line import Run, Waits, publish
from tests.peers.played import HTML, PARTS, TEXT, Fault, Part, Played, played_index, raced, stored_or_not, unread
from tests.peers.scripted import Answer, Cut, json_answer

OTHER = b"other content, by somebody else"
GONE = json_answer(
    {"code": "400 This filename was previously used by a file that has since been deleted. Use a different version."},
    400,
)
PAGE = Answer(200, headers=HTML, body=b"<!DOCTYPE html><title>Welcome</title>")


class Case(NamedTuple):
    """A fault, and what becomes of the file that meets it."""

    fault: Fault
    ends: str
    """`stored`: it is stored by us in the end · `unconfirmed`: it is not, and nobody says that it were · `same`,
    `other`: somebody else has stored it, or something else, meanwhile · `seen`: the same, and we look before we send
    again."""


STATUSES = (499, 500, 502, 503, 504, 520)
"""After which the file may be stored or not."""


def _cases() -> Iterator[tuple[str, Case]]:
    yield "none", Case(lambda played, request: played.takes(request), "stored")
    yield "cut before the body", Case(unread(Answer(cut="before-body")), "stored")
    yield "cut amid the body", Case(unread(Answer(cut="mid-body")), "stored")
    yield "reset amid the body", Case(unread(Answer(cut="mid-body", reset=True)), "stored")
    for stored in (False, True):
        after = f"after {'storing' if stored else 'reading'}"
        cuts: tuple[Cut, ...] = ("after-body", "reset", "mid-answer")
        for cut in cuts:
            answer = Answer(cut=cut, body=b"x" * 50)
            yield f"{cut} {after}", Case(stored_or_not(answer, stored=stored), "stored")
        for status in STATUSES:
            answer = Answer(status, headers=HTML, body=b"<html><title>Gateway</title></html>")
            yield f"{status} {after}", Case(stored_or_not(answer, stored=stored), "stored")
        for name, answer in (("204", Answer(204)), ("a web page", PAGE)):
            case = Case(stored_or_not(answer, stored=stored), "stored" if stored else "unconfirmed")
            yield f"{name} {after}", case
    for status in (408, 425, 429):
        yield str(status), Case(unread(Answer(status, headers={"Retry-After": "7"}, close=True)), "stored")
    yield "raced by the same", Case(raced(), "same")
    yield "raced by other content", Case(raced(OTHER), "other")
    yield "503, raced by the same", Case(raced(answer=Answer(503)), "stored")
    yield "503, raced by other content", Case(raced(OTHER, Answer(503)), "seen")


CASES = dict(_cases())


def matrix() -> Iterator[tuple[Part, str, bool]]:
    """Yield every dialect with every fault; the statuses that are handled alike only for PyPI, all but one."""
    for part in PARTS:
        for name, case in CASES.items():
            alike = name.startswith(tuple(str(status) for status in STATUSES if status != 503))
            if part.name == "pypi" or not alike:
                yield part, name, False
                if case.ends in {"same", "other", "seen"} or part.simple is None:
                    yield part, name, True


def expected(part: Part, ends: str, *, skip_existing: bool) -> str:
    """Say what state a file has to end in: from what the index knows and shows, not from how that is found out."""
    other = "skipped" if skip_existing else "conflict"
    # After a 503 the index is asked, and one that would have overwritten somebody else's file is not made to.
    if state := {"stored": "uploaded", "unconfirmed": "failed", "seen": other}.get(ends):
        return state
    says = part.same if ends == "same" else part.other
    if says is None or says("x").status < 300:
        return "uploaded"  # it takes the file as if nothing were there, or says so
    if part.simple is None:
        return "skipped" if skip_existing else "failed"
    return "already-present" if ends == "same" else other


def blind(part: Part, name: str, *, skip_existing: bool) -> str | None:
    """Say what can be known of an index that shows nothing: only what it answers."""
    if part.simple is not None:
        return None
    if "after storing" in name:
        if name.startswith(("204", "a web page")):
            return "failed"
        return "skipped" if skip_existing else "failed"  # the second try is told that the name is taken
    if name.startswith("503, raced"):
        return "skipped" if skip_existing else "failed"
    return None


def run(played: Played, workspace: Path, waits: Waits | None = None, **more: str) -> Run:
    """Publish what is in the workspace to a played index."""
    inputs = played.inputs | {name.replace("_", "-"): value for name, value in more.items()}
    clock = (waits or Waits()).clock
    return publish(workspace, inputs, transport=played.transport, clock=clock)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a workspace with a wheel, which meets the fault, and an sdist, which does not."""
    make_wheel(tmp_path / "w" / "dist", filler=100_000)
    make_sdist(tmp_path / "w" / "dist")
    return tmp_path / "w"


def contents(workspace: Path) -> dict[str, bytes]:
    """Give file name → bytes of what is in a workspace, the wheel first."""
    return {path.name: path.read_bytes() for path in sorted((workspace / "dist").iterdir())}


@pytest.mark.parametrize(
    ("part", "name", "skip_existing"),
    [pytest.param(*row, id=f"{row[0].name}: {row[1]}{', skip-existing' * row[2]}") for row in matrix()],
)
def test_matrix(part: Part, name: str, skip_existing: bool, workspace: Path) -> None:
    """Dialect, fault, stored or not, `skip-existing`: the states are right, and the next run finishes the rest."""
    case, files = CASES[name], contents(workspace)
    wheel, sdist = files
    skip = str(skip_existing).lower()
    with played_index(part, case.fault, contents=files.values()) as played:
        ours = run(played, workspace, skip_existing=skip)
        wanted = blind(part, name, skip_existing=skip_existing) or expected(
            part, case.ends, skip_existing=skip_existing
        )
        assert ours.states == {wheel: wanted, sdist: "uploaded"}
        assert ours.status == (0 if wanted in {"uploaded", "already-present", "skipped"} else 1)
        _assert_honest(played, ours, files)

        tries = len(played.served.requests)
        again = run(played, workspace, skip_existing=skip)
        _assert_honest(played, again, files)
        if part.simple is None:
            return  # each run is told again that names are taken
        if wanted in {"conflict", "skipped"}:
            assert again.states[wheel] == wanted
            assert again.status == (0 if skip_existing else 2)
            assert len(played.served.requests) == tries
        else:
            assert again.status == 0
            assert played.files == files
            assert set(again.states.values()) <= {"uploaded", "already-present"}
            assert len(played.served.requests) == tries + (wanted == "failed")


def _assert_honest(played: Played, ours: Run, files: dict[str, bytes]) -> None:
    """Nothing was stored with other content than ours, every request was good, and what is called public is there."""
    assert {digest for _, digest in played.stored} <= {hashlib.sha256(each).hexdigest() for each in files.values()}
    assert not [each for each in played.served.violations if "short of its Content-Length" not in each]
    for filename, state in ours.states.items():
        if state in {"uploaded", "already-present"}:
            assert played.files[filename] == files[filename]
        if state in {"conflict", "skipped"} and played.part.simple is not None:
            assert played.files[filename] != files[filename]
    for record in ours.report["files"]:
        assert record["state"] not in {"failed", "conflict", "skipped"} or record["reason"]
        if record["state"] == "conflict" and "sha256" in played.part.hashes:
            assert record["remote_sha256"] == hashlib.sha256(played.files[record["filename"]]).hexdigest()
            assert record["sha256"] in record["reason"]
            assert record["remote_sha256"] in record["reason"]


PYPI = PARTS[0]
BLIND = PARTS[-1]


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("part", [PYPI, BLIND], ids=lambda part: part.name)
def test_without_retries(part: Part, stored: bool, workspace: Path) -> None:
    """With `retries: 0` nothing is sent twice; what the index shows to be stored is `uploaded` all the same."""
    files = contents(workspace)
    wheel, _ = files
    fault = stored_or_not(Answer(503), stored=stored)
    with played_index(part, fault, contents=files.values()) as played:
        ours = run(played, workspace, retries="0")
        assert len(played.served.requests) == 2
    if stored and part is PYPI:
        assert (ours.status, ours.states[wheel]) == (0, "uploaded")
        return
    assert (ours.status, ours.states[wheel]) == (1, "failed")
    said = "does not show the file" if part is PYPI else "may be stored all the same"
    assert said in ours.reasons[wheel]
    assert "Run the job again" in ours.raw


@pytest.mark.parametrize("stored", [False, True])
def test_an_index_that_never_answers(stored: bool, workspace: Path) -> None:
    """No answer for `timeout` seconds is an answer that got lost."""
    files = contents(workspace)
    fault = stored_or_not(Answer(delay=math.inf), stored=stored)
    with played_index(PYPI, fault, contents=files.values()) as played:
        ours = run(played, workspace, timeout="1")
        assert set(ours.states.values()) == {"uploaded"}
        assert [name for name, _ in played.stored] == list(files)
        assert len(played.served.requests) == (2 if stored else 3)


def test_a_stale_index(workspace: Path) -> None:
    """An index whose pages lag behind is asked several times before a duplicate is called unknown."""
    files = contents(workspace)
    google = next(part for part in PARTS if part.name == "google")

    def stored_and_hidden(played: Played, request: object) -> Answer:
        answer = stored_or_not(Answer(502), stored=True)(played, request)  # type: ignore[arg-type]  # a request
        played.hidden = 4
        return answer

    with played_index(google, stored_and_hidden, contents=files.values()) as played:
        ours = run(played, workspace)
        assert ours.status == 0
        assert set(ours.states.values()) == {"uploaded"}
        assert [name for name, _ in played.stored] == list(files)


@pytest.mark.parametrize("theirs", ["same", "other", "nothing"])
def test_a_name_that_was_deleted(theirs: str, workspace: Path) -> None:
    """PyPI's "previously used by a file that has since been deleted" is believed only when the index has no such file:
    with several uploads of one file at once it says so wrongly.
    """
    files = contents(workspace)
    wheel, _ = files
    fault = {"same": raced(answer=GONE), "other": raced(OTHER, GONE), "nothing": stored_or_not(GONE, stored=False)}
    with played_index(PYPI, fault[theirs], contents=files.values()) as played:
        ours = run(played, workspace, skip_existing="true")
    state = {"same": "already-present", "other": "skipped", "nothing": "failed"}[theirs]
    assert ours.states[wheel] == state
    if theirs == "nothing":
        assert "previously used" in ours.reasons[wheel]
        assert "new version" in next(each["tip"] for each in ours.report["remarks"] if each["level"] == "error")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(409, headers=TEXT, body=b"The name 'demo' conflicts with an existing project."),
        Answer(400, headers=TEXT, body=b"The name 'demo' is too similar to an existing project."),
    ],
    ids=["409", "400"],
)
@pytest.mark.parametrize("times", [1, 2])
def test_two_jobs_create_one_project(answer: Answer, times: int, workspace: Path) -> None:
    """PyPI's answers to two first uploads of a project are tried once more, and then believed for the whole project."""
    files = contents(workspace)
    fault = stored_or_not(answer, stored=False)
    with played_index(PYPI, *[fault] * times, contents=files.values()) as played:
        ours = run(played, workspace)
    states = ["uploaded", "uploaded"] if times == 1 else ["failed", "not-attempted"]
    assert list(ours.states.values()) == states


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (Answer(429, headers=TEXT, body=b"Too many new projects created"), 1),
        (Answer(400, headers=TEXT, body=b"'x' is not a valid classifier."), 2),
        (Answer(413), 2),
        (Answer(501), 2),
        (Answer(505), 2),
        (Answer(401), 1),
        (Answer(403), 1),
        (Answer(404), 1),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_a_final_no(answer: Answer, requests: int, workspace: Path) -> None:
    """What stays true when asked again is not asked again; what holds for the project or index keeps the rest back."""
    files = contents(workspace)
    waits = Waits()
    with played_index(PYPI, stored_or_not(answer, stored=False), contents=files.values()) as played:
        ours = run(played, workspace, waits)
        assert ours.status == 1
        assert len(played.served.requests) == requests
    assert waits.pauses == []


@pytest.mark.parametrize(
    ("retry_after", "at_least", "at_most"),
    [("7", 7, 8), ("0", 0, 1), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 1), ("soon", 1, 2), ("300", 300, 301)],
)
def test_retry_after(retry_after: str, at_least: float, at_most: float, workspace: Path) -> None:
    """`Retry-After` is kept, in seconds or as a date (RFC 9110, 10.2.3), with up to a second more at random."""
    files = contents(workspace)
    waits = Waits()
    fault = unread(Answer(429, headers={"Retry-After": retry_after}, close=True))
    with played_index(PYPI, fault, contents=files.values()) as played:
        assert run(played, workspace, waits).status == 0
    assert len(waits.pauses) == 1
    assert at_least <= waits.pauses[0] <= at_most


def test_too_long_to_wait(workspace: Path) -> None:
    """A server that asks for more than five minutes is not asked again by this job."""
    files = contents(workspace)
    waits = Waits()
    fault = unread(Answer(429, headers={"Retry-After": "301"}, close=True))
    with played_index(PYPI, fault, contents=files.values()) as played:
        ours = run(played, workspace, waits)
    assert (ours.status, waits.pauses) == (1, [])
    assert list(ours.states.values()) == ["failed", "uploaded"]


def test_pauses_grow(workspace: Path) -> None:
    """Between tries the pauses grow, with up to half of each taken off at random; `retries` is their number."""
    files = contents(workspace)
    waits = Waits()
    with played_index(PYPI, *[unread(Answer(503, close=True))] * 9, contents=files.values()) as played:
        ours = run(played, workspace, waits, retries="6")
        assert len(played.served.requests) == 7 + 2 + 1
    assert ours.states == dict(zip(files, ("failed", "uploaded"), strict=True))
    assert "Tried 7 times." in ours.reasons[next(iter(files))]
    for pause, most in zip(waits.pauses, (2, 4, 8, 15, 30, 30, 2, 4), strict=True):
        assert most / 2 <= pause <= most


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("form", ["absolute", "relative", "path"])
def test_redirects_within_the_origin(status: int, form: str, workspace: Path) -> None:
    """307 and 308 within the origin are followed once, and remembered for the files that follow."""
    files = contents(workspace)
    pulp = next(part for part in PARTS if part.name == "pulp")

    def moved(played: Played, _: object) -> Answer:
        location = {"absolute": f"{played.served.url}real/", "relative": "../real/", "path": "/real/"}[form]
        return Answer(status, headers={"Location": location}, close=True)

    with played_index(pulp, moved, contents=files.values()) as played:
        ours = run(played, workspace)
        targets = [request.target for request in played.served.requests]
    assert (ours.status, set(ours.states.values())) == (0, {"uploaded"})
    first, second, third = targets
    assert first == "/pypi/distribution/legacy/"
    assert second == third
    assert second.endswith("/real/")
    assert [file["attempts"] for file in ours.report["files"]] == [2, 1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to",
    [
        "https://elsewhere.invalid/legacy/",
        "http://127.0.0.1:1/legacy/",
        "//[",
        "mailto:a@b",
        "https://x:port/",
        "/again",
    ],
)
def test_other_redirects(status: int, to: str, workspace: Path) -> None:
    """Redirects to another origin, in a circle, or that forget the method are not followed, and stop everything."""
    files = contents(workspace)
    pulp = next(part for part in PARTS if part.name == "pulp")
    moved = unread(Answer(status, headers={"Location": to}, close=True))
    with played_index(pulp, *[moved] * 9, contents=files.values()) as played:
        ours = run(played, workspace)
        assert len(played.served.requests) == (2 if (status, to) in {(307, "/again"), (308, "/again")} else 1)
    assert (ours.status, ours.titles) == (1, ["This is not an upload URL"])
    assert list(ours.states.values()) == ["failed", "not-attempted"]
