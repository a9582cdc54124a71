"""Bad input and indexes that misbehave: one clear error for each cause, and a record for every file."""

from __future__ import annotations

import gzip
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from entrypoint.distribution import collect, read
from entrypoint.errors import DistributionError
from tests.conftest import StartIndex
from tests.distributions import make_sdist, make_wheel, text_named, truncated
from tests.line import environment, examined, publish
from tests.peers.pypiserver import PypiServer
from tests.peers.scripted import Answer, Request, endless, json_answer
from tests.plans import GENERIC

PASSWORD = "correct horse+battery"


def to(url: str) -> dict[str, str]:
    """Give the inputs for a scripted index."""
    return {"repository-url": url, "user": "publisher", "password": PASSWORD}


class Fault(NamedTuple):
    """What an index does to the first of two files, and what the user is told."""

    answer: Answer
    title: str
    seen: str
    stops_the_rest: bool = False


NGINX = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>nginx</body>\r\n</html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}

FAULTS = {
    "wrong password": Fault(Answer(401), "The index does not take the credential", "answered 401: Unauthorized", True),
    "no permission": Fault(
        Answer(403, body=b"not yours", headers={"Content-Type": "text/plain"}),
        "No permission to upload to this project",
        "answered 403: not yours",
        True,
    ),
    "simple index": Fault(Answer(405), "This is not an upload URL", "answered 405", True),
    "wrong path": Fault(
        Answer(404, headers=HTML, body=b"<h1>Not Found</h1>"), "This is not an upload URL", "404", True
    ),
    "moved": Fault(
        Answer(301, headers={"Location": "https://user:pw@elsewhere.example/legacy/?token=x"}),
        "This is not an upload URL",
        "pointing to https://***@elsewhere.example/",
        True,
    ),
    "too large, early": Fault(
        Answer(413, headers=HTML, body=NGINX, early=True), "The file is too large for the index", "413"
    ),
    "pypi's json": Fault(
        json_answer(
            {"message": "boilerplate", "code": "400 'x' is not a valid classifier.", "title": "Bad Request"}, 400
        ),
        "The index refused the file",
        "answered 400: 'x' is not a valid classifier.",
    ),
    "problem json": Fault(
        json_answer({"title": "Too old", "detail": "upgrade"}, 422, "application/problem+json; charset=utf-8"),
        "The index refused the file",
        "answered 422: Too old upgrade",
    ),
    "reason phrase": Fault(
        Answer(400, reason=b"Grund: \xfcbel"), "The index refused the file", "answered 400: Grund: \xfcbel"
    ),
    "html error page": Fault(
        Answer(400, headers=HTML, body=b"<html><title>Error</title><pre>wrong &#039;thing&#039;</pre></html>"),
        "The index refused the file",
        "answered 400: wrong 'thing'",
    ),
    "login page": Fault(
        Answer(200, headers=HTML, body=b"<!DOCTYPE html><html><title>Sign in</title></html>"),
        "The index did not confirm the upload",
        "answered 200: Sign in",
    ),
    "no content": Fault(Answer(204), "The index did not confirm the upload", "answered 204"),
    "taken": Fault(
        Answer(400, body=b"File already exists", headers={"Content-Type": "text/plain"}),
        "The index already has a file of this name",
        "File already exists",
    ),
    "down": Fault(Answer(503), "The index could not answer", "answered 503: Service Unavailable"),
    "odd status": Fault(Answer(599, reason=b""), "The index could not answer", "answered 599 without a reason"),
    "busy": Fault(Answer(429, headers={"Retry-After": "1"}), "The index could not answer", "answered 429"),
    "endless": Fault(
        Answer(400, body=endless(), headers={"Content-Type": "text/plain"}), "The index refused the file", "xxxxxxxx"
    ),
    "compressed": Fault(
        Answer(400, body=gzip.compress(b"0" * 1000), headers={"Content-Encoding": "gzip"}),
        "The index refused the file",
        "answered 400: Bad Request",
    ),
    "closed before": Fault(Answer(cut="before-body"), "The connection was lost", "127.0.0.1:"),
    "closed amid": Fault(Answer(cut="mid-body"), "The connection was lost", "127.0.0.1:"),
    "closed after": Fault(Answer(cut="after-body"), "The connection was lost", "127.0.0.1:"),
    "reset": Fault(Answer(cut="reset"), "The connection was lost", "127.0.0.1:"),
    "half an answer": Fault(Answer(cut="mid-answer", body=b"x" * 100), "The connection was lost", "127.0.0.1:"),
    "silent": Fault(Answer(delay=math.inf), "No answer in time", "made no progress"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, scripted: StartIndex, tmp_path: Path) -> None:
    """A fault that is not tried again has one error with what was seen and what to do; the other file goes on unless
    it stands for all.
    """
    fault = FAULTS[name]
    index = scripted(lambda request: fault.answer if request.ordinal == 1 else Answer())
    wheel, sdist = make_wheel(tmp_path / "w" / "dist", filler=2_000_000), make_sdist(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", to(index.url) | {"timeout": "3", "retries": "0"})
    assert ours.status == 1
    assert ours.titles == [fault.title]
    assert fault.seen in ours.reasons[wheel.name]
    assert ours.states == {wheel.name: "failed", sdist.name: "not-attempted" if fault.stops_the_rest else "uploaded"}
    (remark,) = [each for each in ours.report["remarks"] if each["level"] == "error"]
    assert remark["tip"]
    assert remark["path"] == f"dist/{wheel.name}"
    assert len(ours.messages("error")) == 1
    assert "pw@" not in ours.raw


def test_an_answer_that_a_reset_may_swallow(scripted: StartIndex, tmp_path: Path) -> None:
    """A server that answers early and hangs up at once is understood where its answer arrives before the reset."""
    answer = Answer(413, headers=HTML, body=NGINX, early=True, read_on=False)
    index = scripted(lambda request: answer if request.ordinal == 1 else Answer())
    make_wheel(tmp_path / "w" / "dist", filler=2_000_000)
    ours = publish(tmp_path / "w", to(index.url) | {"retries": "0"})
    assert ours.status == 1
    (title,) = ours.titles
    assert title in {"The file is too large for the index", "The connection was lost"}


def test_a_file_that_fails_after_another_project(scripted: StartIndex, tmp_path: Path) -> None:
    """A project without permission stops its own files only; another project's are sent."""
    index = scripted(lambda request: Answer(403) if "alpha" in request.content.filename else Answer())
    dist = tmp_path / "w" / "dist"
    first, rest = make_wheel(dist, "alpha"), make_sdist(dist, "alpha")
    other = make_wheel(dist, "beta")
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.states == {first.name: "failed", rest.name: "not-attempted", other.name: "uploaded"}
    assert first.name in ours.reasons[rest.name]


def test_pypiserver_refuses_the_password(pypiserver: PypiServer, project: str, tmp_path: Path) -> None:
    """A wrong password at a real pypiserver, which answers 403: one error, the rest is not attempted."""
    make_wheel(tmp_path / "w" / "dist", project)
    make_sdist(tmp_path / "w" / "dist", project)
    ours = publish(
        tmp_path / "w", {"repository-url": pypiserver.upload_url, "user": "publisher", "password": "wrong password"}
    )
    assert ours.status == 1
    assert len(ours.titles) == 1
    assert sorted(ours.states.values()) == ["failed", "not-attempted"]


def test_the_simple_url_of_pypiserver(pypiserver: PypiServer, project: str, tmp_path: Path) -> None:
    """The simple index instead of the upload URL: 405, and the tip says which URL is meant."""
    make_wheel(tmp_path / "w" / "dist", project)
    inputs = {"repository-url": pypiserver.simple_url, "user": pypiserver.user, "password": pypiserver.password}
    ours = publish(tmp_path / "w", inputs)
    assert ours.status == 1
    assert ours.titles == ["This is not an upload URL"]
    assert "upload" in ours.report["remarks"][0]["tip"]


class Unreachable(NamedTuple):
    """A URL behind which there is nothing."""

    url: str
    title: str


@pytest.mark.parametrize(
    "case",
    [
        Unreachable("https://no-such-host.invalid/legacy/", "Unknown host"),
        Unreachable("http://127.0.0.1:1/", "No connection"),
    ],
    ids=["dns", "refused"],
)
def test_unreachable(case: Unreachable, tmp_path: Path) -> None:
    """A host without address or listener: one error for all files, and nothing can have been stored."""
    make_wheel(tmp_path / "w" / "dist")
    make_sdist(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", to(case.url))
    assert ours.status == 1
    assert ours.titles == [case.title]
    assert sorted(ours.states.values()) == ["failed", "not-attempted"]


def test_tls_to_a_server_that_speaks_none(scripted: StartIndex, tmp_path: Path) -> None:
    """`https` to a port that speaks plain HTTP is told as that."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    inputs = to(index.url.replace("http://", "https://")) | {"timeout": "1", "retries": "0"}
    ours = publish(tmp_path / "w", inputs)
    assert ours.status == 1
    assert ours.titles in (["No TLS connection"], ["No connection"])


class Broken(NamedTuple):
    """Files that cannot be published."""

    make: Callable[[Path], object]
    title: str


BROKEN = {
    "truncated": Broken(lambda dist: truncated(make_wheel(dist)), "The file is not a readable zip file"),
    "text": Broken(
        lambda dist: text_named(dist / "demo_pkg-1.0-py3-none-any.whl"), "The file is not a readable zip file"
    ),
    "text sdist": Broken(lambda dist: text_named(dist / "demo_pkg-1.0.tar.gz"), "The file is not a readable gzipped"),
    "no metadata": Broken(
        lambda dist: make_wheel(dist, omit=["METADATA"]), "The archive does not hold exactly one `*.dist-info/METADATA`"
    ),
    "no name": Broken(
        lambda dist: make_wheel(dist, metadata="Metadata-Version: 2.1\n"), "Required metadata is missing"
    ),
    "bad metadata": Broken(
        lambda dist: make_wheel(dist, headers=[("Requires-Python", "three")]), "The metadata is not valid"
    ),
    "renamed": Broken(
        lambda dist: make_sdist(dist).rename(dist / "other-1.0.tar.gz"),
        "File name and metadata disagree about the name",
    ),
    "folder": Broken(lambda dist: (dist / "a-1-py3-none-any.whl").mkdir(), "Not a readable file"),
    "bad name": Broken(
        lambda dist: make_wheel(dist).rename(dist / "demo.whl"), "Not a valid file name for a distribution"
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file(name: str, scripted: StartIndex, tmp_path: Path) -> None:
    """A file that cannot be published stops the run before anything is sent; the good one beside it has its record."""
    index = scripted()
    dist = tmp_path / "w" / "dist"
    dist.mkdir(parents=True)
    good = make_wheel(dist, "good")
    BROKEN[name].make(dist)
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 2
    assert len(ours.titles) == 1
    assert ours.titles[0].startswith(BROKEN[name].title)
    assert ours.states[good.name] == "not-attempted"
    assert name == "folder" or sorted(ours.states.values()) == ["failed", "not-attempted"]
    assert index.requests == []
    assert all(remark["tip"] for remark in ours.report["remarks"])


def test_the_same_name_twice(tmp_path: Path) -> None:
    """Two files that would be one on the index are an error that names both, and both have a record."""
    make_wheel(tmp_path / "w" / "a")
    make_wheel(tmp_path / "w" / "b")
    ours = publish(tmp_path / "w", to("http://127.0.0.1:1/") | {"packages-dir": "a\nb"})
    assert ours.status == 2
    assert ours.titles == ["The same file name twice"]
    assert [(each["path"][0], each["state"]) for each in ours.report["files"]] == [
        ("a", "not-attempted"),
        ("b", "failed"),
    ]


def test_deprecated_spellings(scripted: StartIndex, tmp_path: Path) -> None:
    """`packages_dir` and `repository_url` still work, and the log says how they are spelt now."""
    index = scripted()
    make_wheel(tmp_path / "w" / "built")
    ours = publish(tmp_path / "w", {"packages_dir": "built", "repository_url": index.url, "user": "anonymous"})
    assert ours.status == 0
    assert "Input `packages_dir` is deprecated: write `packages-dir`." in ours.raw


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that this user may not read is told as that."""
    wheel = make_wheel(tmp_path)
    (found,) = collect(["."], tmp_path).found
    wheel.chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # permissions do not bind root
    try:
        with pytest.raises(DistributionError, match="The file cannot be read: Permission denied") as caught:
            read(found, GENERIC)
    finally:
        os.seteuid(before)
    assert caught.value.path == wheel.name


@pytest.mark.parametrize(
    ("packages_dir", "title"),
    [
        ("dist", "No distributions found"),
        ("nowhere", "Nothing at"),
        ("dist/*.whl", "Nothing at"),
        ("/__w/r", "Nothing"),
    ],
    ids=["empty", "missing", "glob", "host path"],
)
def test_nothing_to_publish(packages_dir: str, title: str, tmp_path: Path) -> None:
    """An empty folder, a missing path and a glob without matches are errors with the path and a hint."""
    (tmp_path / "w" / "dist").mkdir(parents=True)
    ours = publish(tmp_path / "w", to("http://127.0.0.1:1/") | {"packages-dir": packages_dir})
    assert ours.status == 2
    assert ours.titles[0].startswith(title)
    assert packages_dir in ours.messages("error")[0]
    assert ours.states == {}


@pytest.mark.parametrize(
    "inputs",
    [
        {"repository-url": "http://upload.pypi.org/legacy/"},
        {"repository-url": "ftp://index.example/"},
        {"repository-url": "https://publisher:correct horse+battery@[bad/"},
        {"index": "no-such-index"},
        {"index": "pypi", "repository-url": "https://index.example/"},
        {"skip-existing": "maybe", "timeout": "soon", "strict": "2"},
        {"attestations": "required"},
        {"user": "somebody"},
        {"password": ""},
    ],
    ids=" ".join,
)
def test_bad_inputs(inputs: dict[str, str], tmp_path: Path) -> None:
    """Inputs that cannot be used end in errors that name them, before anything is sent."""
    make_wheel(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", {"password": PASSWORD} | inputs)
    assert ours.status == 2
    told = "\n".join([*ours.messages("error"), *(each.title for each in ours.annotations)])
    for name in inputs:
        assert name in told
    assert set(ours.states.values()) <= {"not-attempted"}


def test_a_file_that_changes_while_it_is_sent(scripted: StartIndex, tmp_path: Path) -> None:
    """A file that grows or shrinks under our hands is told as that, and the index gets no whole request."""
    dist = tmp_path / "w" / "dist"
    first, second = (make_wheel(dist, tag=f"py3-none-manylinux_2_{number}_x86_64") for number in (5, 17))

    def script(request: Request) -> Answer:
        if request.ordinal == 1:
            second.write_bytes(second.read_bytes() + b"more")
        return Answer()

    index = scripted(script)
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 1
    assert ours.titles == ["The file changed while it was being published"]
    assert ours.states == {first.name: "uploaded", second.name: "failed"}
    assert [each.content.filename for each in index.uploads] == [first.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(number: signal.Signals, scripted: StartIndex, tmp_path: Path) -> None:
    """A signal ends the run with 128 + its number, and with a report of what happened so far."""
    reached = threading.Event()

    def script(request: Request) -> Answer:
        if request.ordinal == 1:
            return Answer()
        reached.set()
        return Answer(delay=math.inf)

    index = scripted(script)
    dist, temp = tmp_path / "w" / "dist", tmp_path / "temp"
    temp.mkdir()
    files = [make_wheel(dist, tag=f"py3-none-manylinux_2_{number}_x86_64") for number in range(3)]
    environ = environment(tmp_path / "w", temp, to(index.url) | {"parallel": "1"})
    process = subprocess.Popen([sys.executable, "-Im", "entrypoint"], env=environ, stdout=subprocess.PIPE)
    assert reached.wait(30)
    os.kill(process.pid, number)
    raw, _ = process.communicate(timeout=9)
    ours = examined(process.returncode, raw.decode(), temp, environ)
    assert ours.status == 128 + number
    assert ours.states == dict(zip((file.name for file in files), ("uploaded", "failed", "not-attempted"), strict=True))
    assert "may have stored" in ours.reasons[files[1].name]
    assert number.name in ours.reasons[files[2].name]
    assert f"Stopped by {number.name}" in ours.summary
    assert json.loads(ours.outputs["files"])[0]["state"] == "uploaded"
