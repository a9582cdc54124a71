"""What an index has of the files at hand: the same, another, nothing or unknown, and unknown is not nothing."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrypoint import stock
from entrypoint.distribution import Distribution, collect, read
from entrypoint.errors import CredentialError, PublishError, Refused, Unavailable
from entrypoint.index import Index
from entrypoint.patience import Patience
from entrypoint.simple import Project, RemoteFile, absent
from entrypoint.stock import Inventory, Look, Match, Stock
from tests.conftest import StartIndex
from tests.contexts import basic
from tests.distributions import make_sdist, make_wheel
from tests.line import Waits
from tests.peers.scripted import Answer, Request, json_page
from tests.plans import GENERIC

JSON = "application/vnd.pypi.simple.v1+json"
ROOT = "https://packages.example.com/simple/"
KNOWN = GENERIC._replace(simple_url=ROOT)
GUESSED = GENERIC._replace(simple_url=None, guesses=(f"{ROOT}", "https://packages.example.com/+simple/"))

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def wheel(tmp_path: Path) -> Distribution:
    """Make a wheel and read it."""
    make_wheel(tmp_path / "dist", "demo")
    return distributions(tmp_path)[0]


def distributions(folder: Path) -> list[Distribution]:
    """Read what is in a folder."""
    return [read(found, KNOWN)[0] for found in collect(["dist"], folder).found]


def asking(handler: Handler, index: Index = KNOWN, *, retries: int = 0, waits: Waits | None = None) -> Stock:
    """Make the stock of an index that a handler plays."""
    http = httpx.Client(transport=httpx.MockTransport(handler))
    credential = basic(index, "publisher", "a password")
    return Stock(index, http, credential, Patience(retries, (waits or Waits()).clock, jitter=lambda: 1.0))


def document(name: str, *files: Any) -> httpx.Response:
    """Answer with the page of a project."""
    page = {"meta": {"api-version": "1.0"}, "name": name, "files": files}
    return httpx.Response(200, headers={"Content-Type": JSON}, content=json.dumps(page))


def in_turn(*answers: httpx.Response) -> tuple[Handler, list[str]]:
    """Give one answer after the other, the last one to all that follow; and the paths that are asked for."""
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return answers[min(len(paths), len(answers)) - 1]

    return answer, paths


def nobody(request: httpx.Request) -> httpx.Response:
    """Play an index that nobody should ask."""
    raise AssertionError(request.url)


def digest(distribution: Distribution, name: str) -> str:
    """Hash a file."""
    return hashlib.new(name, distribution.found.path.read_bytes()).hexdigest()


def compared(distribution: Distribution, hashes: Mapping[str, bool], size: int | None, handler: Handler) -> Look:
    """Compare a file with one of which the index gives these hashes: the right ones, or those of something else."""
    given = {name: digest(distribution, name) if right else "0" * 32 for name, right in hashes.items()}
    there = RemoteFile(distribution.found.filename, "https://packages.example.com/files/1", given, size)
    return asking(handler).compare(distribution, Project("demo", exists=True, files=(there,)))


# Comparison


@pytest.mark.parametrize(
    ("hashes", "match"),
    [
        ({"sha256": True}, Match.SAME),
        ({"sha512": True}, Match.SAME),
        ({"sha384": True}, Match.SAME),
        ({"sha256": True, "md5": True, "sha1": True}, Match.SAME),
        ({"sha512": True, "sha384": True, "sha256": True}, Match.SAME),
        ({"sha256": False}, Match.OTHER),
        ({"sha512": False}, Match.OTHER),
        ({"sha384": False}, Match.OTHER),
        ({"md5": False}, Match.OTHER),
        ({"sha1": False}, Match.OTHER),
        ({"sha224": False}, Match.OTHER),
        ({"sha256": True, "sha512": False}, Match.OTHER),
        ({"sha256": False, "sha384": True}, Match.OTHER),
        ({"sha256": True, "md5": False}, Match.OTHER),
    ],
    ids=str,
)
@pytest.mark.parametrize("sized", [True, False])
def test_hashes_decide(wheel: Distribution, hashes: dict[str, bool], match: Match, sized: bool) -> None:
    """Any strong hash proves that it is the same file, any hash that it is not, and nothing has to be downloaded."""
    look = compared(wheel, hashes, wheel.found.size if sized else None, nobody)
    assert look.match is match
    assert look.remote is not None


@pytest.mark.parametrize(
    ("hashes", "match"), [({}, Match.OTHER), ({"md5": True}, Match.OTHER), ({"sha256": True}, Match.SAME)]
)
def test_another_size_is_another_file(wheel: Distribution, hashes: dict[str, bool], match: Match) -> None:
    """A file of another size is another one, unless a hash proves that it is the same."""
    assert compared(wheel, hashes, wheel.found.size + 1, nobody).match is match


@pytest.mark.parametrize("hashes", [{}, {"md5": True}, {"sha1": True}, {"md5": True, "sha1": True, "sha224": True}])
def test_without_a_proof_the_file_is_hashed(wheel: Distribution, hashes: dict[str, bool]) -> None:
    """Equal MD5 and SHA-1 prove nothing: the file is downloaded, and its hash decides and is told."""
    content = wheel.found.path.read_bytes()
    for body, match in ((content, Match.SAME), (content + b"x", Match.OTHER)):
        look = compared(wheel, hashes, None, lambda _, body=body: httpx.Response(200, content=body))  # type: ignore[misc]  # mypy infers no type for a lambda with a default
        assert look.match is match
        assert look.sha256 == hashlib.sha256(body).hexdigest()
        assert look.shown == f"sha256 {look.sha256}"


def test_absent_and_unknown(wheel: Distribution) -> None:
    """No project and no file of this name are absent; not knowing where to ask is unknown."""
    asked = asking(nobody)
    other = RemoteFile("demo-2.0-py3-none-any.whl", "", {})
    assert asked.compare(wheel, absent("demo")).match is Match.ABSENT
    assert asked.compare(wheel, Project("demo", exists=True, files=(other,))).match is Match.ABSENT
    look = asked.compare(wheel, None)
    assert (look.match, look.sha256, look.shown) == (Match.UNKNOWN, None, "no hash")
    assert look.why


def test_what_is_shown_of_a_hash(wheel: Distribution) -> None:
    """The strongest hash is shown, else any."""
    for hashes, shown in (({"md5": False}, "md5 0"), ({"md5": True, "sha512": False}, "sha512 0")):
        assert compared(wheel, hashes, None, nobody).shown.startswith(shown)


# Downloads


@pytest.mark.parametrize("spare", [0, -1])
def test_the_limit_of_a_download(wheel: Distribution, monkeypatch: pytest.MonkeyPatch, spare: int) -> None:
    """A file is downloaded up to the limit; a longer one stays unknown, and the limit is told."""
    monkeypatch.setattr(stock, "DOWNLOAD_LIMIT", wheel.found.size + spare)
    look = compared(wheel, {}, None, lambda _: httpx.Response(200, content=wheel.found.path.read_bytes()))
    assert look.match is (Match.UNKNOWN if spare else Match.SAME)
    assert "MiB" in look.why or not spare


@pytest.mark.parametrize("status", [204, 302, 401, 404, 416, 500, 503])
def test_a_file_that_cannot_be_had(wheel: Distribution, status: int) -> None:
    """A file that the index lists and does not give is unknown, not absent."""
    look = compared(wheel, {"md5": True}, None, lambda _: httpx.Response(status, content=b"x"))
    assert (look.match, look.sha256) == (Match.UNKNOWN, None)
    assert "no hash to compare with" in look.why


@pytest.mark.parametrize("url", ["", "ftp://packages.example.com/x", "https://" + "x" * 70_000, "http://[::1"])
def test_a_file_without_a_url(wheel: Distribution, url: str) -> None:
    """A URL that leads nowhere leaves the file unknown."""
    there = RemoteFile(wheel.found.filename, url, {})
    assert asking(nobody).compare(wheel, Project("demo", exists=True, files=(there,))).match is Match.UNKNOWN


def test_an_sdist_that_is_called_packed(tmp_path: Path) -> None:
    """Servers that say `Content-Encoding: gzip` of an sdist mean the file itself: it is hashed as it comes."""
    make_sdist(tmp_path / "dist", "demo")
    (sdist,) = distributions(tmp_path)
    packed = httpx.ByteStream(sdist.found.path.read_bytes())
    look = compared(sdist, {}, None, lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=packed))
    assert look.match is Match.SAME


@pytest.mark.parametrize(
    ("target", "hops", "match"),
    [
        ("https://cdn.example/x", 1, Match.SAME),
        ("/x", 5, Match.SAME),
        ("/x", 6, Match.UNKNOWN),
        ("https://user:pw@cdn.example/x", 1, Match.SAME),
        ("http://packages.example.com/x", 1, Match.UNKNOWN),
        ("http://cdn.example/x", 1, Match.UNKNOWN),
        ("mailto:x", 1, Match.UNKNOWN),
    ],
)
def test_a_download_that_is_redirected(wheel: Distribution, target: str, hops: int, match: Match) -> None:
    """A file may be on another host, which gets no credential; loops and a way back to http are not followed."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) > hops:
            return httpx.Response(200, content=wheel.found.path.read_bytes())
        return httpx.Response(302, headers={"Location": target})

    assert compared(wheel, {}, None, answer).match is match
    for request in seen:
        assert ("Authorization" in request.headers) is (request.url.host == "packages.example.com")
        assert (request.headers["Accept"], request.headers["Accept-Encoding"]) == ("*/*", "identity")


@pytest.mark.parametrize("cut", ["after-body", "mid-answer", "reset"])
def test_a_download_that_is_cut(scripted: StartIndex, wheel: Distribution, cut: Any) -> None:
    """On the wire: half a file proves nothing."""
    index = scripted(reads=lambda _: Answer(cut=cut, body=wheel.found.path.read_bytes()))
    there = RemoteFile(wheel.found.filename, f"{index.url}file", {})
    with httpx.Client() as http:
        asked = Stock(KNOWN, http, basic(KNOWN, "publisher", "a password"), Patience(0))
        assert asked.compare(wheel, Project("demo", exists=True, files=(there,))).match is Match.UNKNOWN
    assert [request.basic for request in index.reads] == [None]


# Reading


def test_one_read_per_project(tmp_path: Path) -> None:
    """Each project is asked for once, however many files it has, before anything is sent and when looked at again."""
    for name in ("alpha", "beta"):
        for number in range(3):
            make_wheel(tmp_path / "dist", name, tag=f"py3-none-manylinux_2_{number}_x86_64")
    files = distributions(tmp_path)
    answer, paths = in_turn(httpx.Response(404))
    asked = asking(answer)
    assert asked.take(["alpha", "beta"]) == Inventory({"alpha": absent("alpha"), "beta": absent("beta")})
    assert sorted(paths) == ["/simple/alpha/", "/simple/beta/"]
    assert [look.match for look in asked.looks(files)] == [Match.ABSENT] * 6
    assert sorted(paths) == sorted(["/simple/alpha/", "/simple/beta/"] * 2)


def test_projects_side_by_side() -> None:
    """Eight projects are read at the same time, and each gets its own answer."""
    gate = threading.Barrier(stock.READERS, timeout=10)

    def answer(request: httpx.Request) -> httpx.Response:
        gate.wait()
        return document(request.url.path.split("/")[-2])

    names = [f"demo-{number}" for number in range(2 * stock.READERS)]
    inventory = asking(answer).take(names)
    assert inventory.problems == ()
    assert [project and project.name for project in inventory.projects.values()] == names == list(inventory.projects)


def test_tries() -> None:
    """A read that may come right is tried again after a pause, and then it counts."""
    answer, paths = in_turn(
        httpx.Response(503), httpx.Response(429, headers={"Retry-After": "17"}), httpx.Response(500), document("demo")
    )
    waits = Waits()
    inventory = asking(answer, retries=3, waits=waits).take(["demo"])
    assert inventory == Inventory({"demo": Project("demo", exists=True)})
    assert len(paths) == 4
    assert waits.pauses == [2.0, 18.0, 8.0]


@pytest.mark.parametrize(
    ("response", "tries", "kind"),
    [
        (httpx.Response(503), 3, Unavailable),
        (httpx.Response(429, headers={"Retry-After": "301"}), 1, Unavailable),
        (httpx.Response(401), 1, CredentialError),
        (httpx.Response(403), 1, CredentialError),
        (httpx.Response(501), 1, Refused),
        (httpx.Response(200, html="<title>Sign in</title><input type=password>"), 1, Refused),
        (document("other"), 1, Refused),
    ],
    ids=["503", "too long", "401", "403", "501", "login", "other project"],
)
def test_unknown_is_a_problem(response: httpx.Response, tries: int, kind: type[PublishError]) -> None:
    """What cannot be read is a problem after all tries, and no project is said to be absent."""
    answer, paths = in_turn(response)
    inventory = asking(answer, retries=2).take(["demo"])
    assert inventory.projects == {}
    assert [type(problem) for problem in inventory.problems] == [kind]
    assert len(paths) == tries


def test_a_look_is_not_repeated(wheel: Distribution) -> None:
    """A look asks once, and says why it learned nothing: whoever looks waits on his own."""
    answer, paths = in_turn(httpx.Response(503))
    look = asking(answer, retries=5).look(wheel)
    assert (look.match, len(paths)) == (Match.UNKNOWN, 1)
    assert "answered 503" in look.why


def test_a_host_that_is_not_there() -> None:
    """An error that no try can mend is not tried again."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no", request=request) from socket.gaierror(socket.EAI_NONAME, "unknown")

    waits = Waits()
    (problem,) = asking(answer, retries=5, waits=waits).take(["demo"]).problems
    assert problem.title == "Unknown host"
    assert waits.pauses == []


def test_problems_are_folded() -> None:
    """A problem that is the same for several projects is told once, with their number; others apart."""

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.split("/")[-2]
        return document("other") if name == "odd" else httpx.Response(403 if name < "n" else 503)

    inventory = asking(answer).take(["alpha", "beta", "gamma", "odd", "omega", "zeta"])
    details = [problem.detail for problem in inventory.problems]
    assert len(details) == 3
    assert details[0].startswith(f"{ROOT}alpha/ answered 403")
    assert details[0].endswith("The same goes for 2 other projects.")
    assert "odd" in details[1]
    assert details[2] == f"{ROOT}omega/ answered 503. The same goes for another project."
    assert all(problem.tip for problem in inventory.problems)


# Guesses


@pytest.mark.parametrize(
    "first",
    [httpx.Response(404), httpx.Response(403), httpx.Response(405), httpx.Response(200, html="<h1>It works!</h1>")],
    ids=lambda response: str(response.status_code),
)
def test_a_guess_that_shows_the_project(wheel: Distribution, first: httpx.Response) -> None:
    """Where the simple index is only guessed, what a guess shows counts, whatever the one before it said."""
    entry = {"filename": wheel.found.filename, "url": "x", "hashes": {"sha256": wheel.sha256}}
    answer, paths = in_turn(first, document("demo", entry))
    asked = asking(answer, GUESSED)
    assert not asked.known
    inventory = asked.take(["demo"])
    assert asked.compare(wheel, inventory.projects["demo"]).match is Match.SAME
    assert paths == ["/simple/demo/", "/+simple/demo/"]


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(404),
        httpx.Response(302, headers={"Location": "https://pypi.org/simple/demo/"}),
        httpx.Response(401),
        httpx.Response(405),
        httpx.Response(200, html="<h1>It works!</h1>"),
        httpx.Response(503),
    ],
    ids=lambda response: str(response.status_code),
)
def test_a_guess_that_shows_nothing(wheel: Distribution, response: httpx.Response) -> None:
    """Everything else that a guess answers says nothing: no problem, no try more, and not "not there"."""
    answer, paths = in_turn(response)
    asked = asking(answer, GUESSED, retries=5)
    assert asked.take(["demo"]) == Inventory({"demo": None})
    assert len(paths) <= 2
    assert asked.look(wheel).match is Match.UNKNOWN


def test_no_guess() -> None:
    """Without even a guess nobody is asked."""
    assert asking(nobody, GENERIC._replace(guesses=())).take(["demo"]) == Inventory({"demo": None})


# A page instead of the root


def shelf(root: str, *names: str) -> Handler:
    """Play an index that has these projects below a root."""

    def answer(request: httpx.Request) -> httpx.Response:
        paths = {f"{root}{name}/": name for name in names}
        name = paths.get(request.url.path)
        return document(name) if name else httpx.Response(404)

    return answer


@pytest.mark.parametrize(
    ("given", "cut"),
    [("/pypi/alpha/", True), ("/pypi/Beta/", True), ("/pypi/", False), ("/pypi/other/", False), ("/pypi/new/", False)],
)
def test_the_page_of_a_project_as_root(given: str, cut: bool) -> None:
    """A root that is the page of one of the projects is cut, with a notice; one that may be a root stays."""
    index = GENERIC._replace(simple_url=f"https://packages.example.com{given}")
    asked = asking(shelf("/pypi/", "alpha", "beta"), index)
    projects = asked.take(["alpha", "beta", "new"]).projects
    exists = {name: project.exists for name, project in projects.items() if project}
    assert exists == {"alpha": cut or given == "/pypi/", "beta": cut or given == "/pypi/", "new": False}
    assert [note.level for note in asked.notes] == ["notice"] * cut
    assert all(given in note.detail and "/pypi/`." in note.detail for note in asked.notes)


def test_a_root_that_is_called_like_the_project() -> None:
    """A root that is called like a project and has the project is the root."""
    index = GENERIC._replace(simple_url="https://packages.example.com/demo/")
    answer, paths = in_turn(document("demo"))
    asked = asking(answer, index)
    assert asked.take(["demo"]).projects == {"demo": Project("demo", exists=True)}
    assert asked.notes == []
    assert set(paths) == {"/demo/demo/"}


@pytest.mark.parametrize(
    ("above", "outcome"),
    [
        (httpx.Response(503), "unknown"),
        (httpx.Response(401), "kept"),
        (httpx.Response(200, html="<h1>It works!</h1>"), "kept"),
    ],
    ids=["503", "401", "no index"],
)
def test_a_root_that_may_be_a_page(above: httpx.Response, outcome: str) -> None:
    """Where it cannot be found out whether a root is a page, after all tries, its 404 is not taken for "not there"."""
    index = GENERIC._replace(simple_url="https://packages.example.com/pypi/demo/")

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404) if request.url.path == "/pypi/demo/demo/" else above

    waits = Waits()
    inventory = asking(answer, index, retries=2, waits=waits).take(["demo"])
    if outcome == "unknown":
        assert inventory.projects == {}
        assert [type(problem) for problem in inventory.problems] == [Unavailable]
        assert waits.pauses == [2.0, 4.0]
    else:
        assert inventory == Inventory({"demo": absent("demo")})


# On the wire


def test_a_read_on_the_wire(scripted: StartIndex, wheel: Distribution) -> None:
    """The credential of the upload goes to the index with every read and download, and nothing else is sent."""

    def reads(request: Request) -> Answer:
        if request.target.startswith("/simple/"):
            entry = {"filename": wheel.found.filename, "url": "../../file", "hashes": {}}
            return json_page("demo", entry)
        return Answer(body=wheel.found.path.read_bytes())

    index = scripted(reads=reads)
    known = GENERIC._replace(upload_url=index.url, simple_url=f"{index.url}simple/")
    with httpx.Client() as http:
        asked = Stock(known, http, basic(known, "publisher", "a password"), Patience(0))
        assert asked.look(wheel).match is Match.SAME
    assert [request.target for request in index.reads] == ["/simple/demo/", "/file"]
    assert {request.basic for request in index.reads} == {("publisher", "a password")}
    assert index.violations == []
