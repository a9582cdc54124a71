"""The straight line: from inputs to outcome, against an index that looks closely."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx

from tests.conftest import StartIndex
from tests.distributions import make_sdist, make_wheel
from tests.line import bare, environment, publish, publish_process
from tests.peers.scripted import Answer

TOKEN = "pypi-AgEIcHlwaS5vcmcCJDU1"


def to(url: str) -> dict[str, str]:
    """Give the inputs for a scripted index."""
    return {"repository-url": url, "user": "publisher", "password": "correct horse+battery"}


class PyPI:
    """PyPI's upload URL behind a mock transport: notes what was sent where."""

    def __init__(self, status: int = 200, text: str = "") -> None:
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self.answer)
        self._answer = status, text

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Read the whole upload and answer it; its simple index has no project."""
        if request.method == "GET":
            assert "Authorization" not in request.headers
            return httpx.Response(404)
        request.read()
        self.requests.append(request)
        return httpx.Response(self._answer[0], text=self._answer[1])


def test_a_token_is_all_that_pypi_needs(tmp_path: Path) -> None:
    """With a token and nothing else, `dist` goes to PyPI as `__token__`, and the outputs point to the release."""
    make_wheel(tmp_path / "w" / "dist", "Demo.Pkg", "1.0")
    pypi = PyPI()
    ours = publish(tmp_path / "w", {"password": TOKEN}, transport=pypi.transport)
    assert ours.status == 0
    (request,) = pypi.requests
    assert str(request.url) == "https://upload.pypi.org/legacy/"
    assert httpx.BasicAuth("__token__", TOKEN)._auth_header == request.headers["Authorization"]
    assert ours.outputs["index"] == "pypi"
    assert ours.outputs["name"] == "Demo.Pkg"
    assert ours.outputs["url"] == "https://pypi.org/project/demo-pkg/1.0/"
    assert json.loads(ours.outputs["releases"]) == [
        {"name": "Demo.Pkg", "version": "1.0", "url": "https://pypi.org/project/demo-pkg/1.0/"}
    ]
    assert "[Demo.Pkg 1.0](https://pypi.org/project/demo-pkg/1.0/)" in ours.summary
    (warning,) = ours.messages("warning")
    assert "takes attestations from trusted publishers only" in warning


def test_testpypi_by_name(tmp_path: Path) -> None:
    """`index: testpypi` publishes there."""
    make_wheel(tmp_path / "w" / "dist")
    pypi = PyPI()
    ours = publish(tmp_path / "w", {"password": TOKEN, "index": "testpypi"}, transport=pypi.transport)
    assert ours.status == 0
    assert str(pypi.requests[0].url) == "https://test.pypi.org/legacy/"
    assert ours.outputs["index"] == "testpypi"


def test_index_of_the_workspace(scripted: StartIndex, tmp_path: Path) -> None:
    """`index` finds a `[[tool.uv.index]]` entry of the workspace, and its upload URL."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    (tmp_path / "w" / "pyproject.toml").write_text(
        f'[[tool.uv.index]]\nname = "corp"\nurl = "{index.url}simple/"\npublish-url = "{index.url}upload/"\n'
    )
    ours = publish(tmp_path / "w", {"index": "corp", "user": "me", "password": "long enough"})
    assert ours.status == 0
    assert [request.target for request in index.requests] == ["/upload/"]


def test_what_is_sent(scripted: StartIndex, tmp_path: Path) -> None:
    """Every request is what upload servers expect: one connection, HTTP/1.1, length, digests, order, headers."""
    index = scripted()
    wheel, sdist = make_wheel(tmp_path / "w" / "dist", filler=3_000_000), make_sdist(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 0
    assert index.violations == []
    assert [request.content.filename for request in index.uploads] == [wheel.name, sdist.name]
    first = index.requests[0]
    assert len({request.connection for request in index.requests}) == 1
    assert first.http_version == "HTTP/1.1"
    assert first.basic == ("publisher", "correct horse+battery")
    assert first.content.size == wheel.stat().st_size
    assert "twine" not in str(first.header("User-Agent"))
    assert str(first.header("User-Agent")).startswith("publish-action/")
    assert str(first.header("Accept")).startswith("application/json")
    assert first.header("Transfer-Encoding") is None


def test_one_failure_does_not_stop_the_others(scripted: StartIndex, tmp_path: Path) -> None:
    """The second of three files is refused: the third is sent all the same, and each has its own record."""
    index = scripted(lambda request: Answer(400, body=b"no") if request.ordinal == 2 else Answer())
    for number in range(3):
        make_wheel(tmp_path / "w" / "dist", tag=f"py3-none-manylinux_2_{number}_x86_64")
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 1
    assert sorted(ours.states.values()) == ["failed", "uploaded", "uploaded"]
    assert ours.outputs["uploaded"] == "2"
    assert ours.outputs["failed"] == "1"
    assert ours.titles == ["The index refused the file"]
    assert "2 of 3 files are public." in ours.raw
    assert "### ❌ Not everything is published" in ours.summary


def test_sdist_last_and_several_projects(scripted: StartIndex, tmp_path: Path) -> None:
    """In each project wheels go by size, the sdist last; several projects are announced before."""
    index = scripted()
    dist = tmp_path / "w" / "dist"
    big = make_wheel(dist, "beta", tag="cp311-cp311-linux_x86_64", filler=50_000)
    small, sdist, other = make_wheel(dist, "beta"), make_sdist(dist, "beta"), make_wheel(dist, "alpha", "2.0")
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 0
    assert [name for each in index.uploads if (name := each.content.filename) != other.name] == [
        small.name,
        big.name,
        sdist.name,
    ]
    assert [file["filename"] for file in ours.report["files"]] == [other.name, small.name, big.name, sdist.name]
    assert [each["name"] for each in ours.report["releases"]] == ["alpha", "beta"]
    assert ours.outputs["name"] == "alpha"
    assert ours.raw.index("beta 1.0") < ours.raw.index("sending")


def test_accepted_is_not_uploaded(scripted: StartIndex, tmp_path: Path) -> None:
    """A 202 is told as what it is: taken, stored later."""
    index = scripted(Answer(202, body=b'{"task": "/tasks/1/"}'))
    make_wheel(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", to(index.url))
    assert (ours.status, list(ours.states.values())) == (0, ["accepted"])
    assert ours.outputs["outcome"] == "published"


def test_other_files_get_one_notice(scripted: StartIndex, tmp_path: Path) -> None:
    """Checksums, signatures and SBOMs beside the distributions are left alone, with one notice for all of them."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    for name in ("SHA256SUMS", "sbom.json", "demo_pkg-1.0-py3-none-any.whl.asc", ".gitignore"):
        (tmp_path / "w" / "dist" / name).write_text("x")
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 0
    (notice,) = [each for each in ours.annotations if each.title == "Other files are left alone"]
    assert "SHA256SUMS" in notice.message
    assert ".gitignore" not in notice.message


def test_credentials_in_the_url(scripted: StartIndex, tmp_path: Path) -> None:
    """User name and password in the URL are used, decoded, and shown nowhere."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    url = index.url.replace("http://", "http://publisher:cor%40rect%3Ahorse@")
    ours = publish(tmp_path / "w", {"repository-url": url})
    assert ours.status == 0
    assert index.requests[0].basic == ("publisher", "cor@rect:horse")
    text = ours.raw.replace("::add-mask::cor@rect:horse", "") + ours.summary + json.dumps(ours.report)
    assert "cor@rect" not in text
    assert "cor%40rect" not in text


def test_a_query_is_used_and_not_shown(scripted: StartIndex, tmp_path: Path) -> None:
    """The query of an upload URL reaches the index; what is told leaves it out, for it may hold a token."""
    index = scripted(Answer(404))
    make_wheel(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", to(f"{index.url}upload?token=hidden"))
    assert [request.target for request in index.requests] == ["/upload?token=hidden"]
    assert "hidden" not in ours.raw + ours.summary + json.dumps(ours.report)


def test_proxies(scripted: StartIndex, tmp_path: Path) -> None:
    """HTTP_PROXY is used, NO_PROXY exempts from it, and a proxy's password is shown nowhere."""
    proxy = scripted()
    make_wheel(tmp_path / "w" / "dist")
    env = {"HTTP_PROXY": proxy.url.replace("http://", "http://me:hidden@")}
    inputs = to("http://index.invalid/upload/")
    ours = publish_process(tmp_path / "w", inputs, env=env)
    assert ours.status == 0
    assert [request.target for request in proxy.requests] == ["http://index.invalid/upload/"]
    assert proxy.requests[0].basic == ("publisher", "correct horse+battery")
    direct = publish_process(tmp_path / "w", inputs, env=env | {"NO_PROXY": "index.invalid"})
    assert direct.titles == ["Unknown host"]
    assert len(proxy.requests) == 1
    assert "hidden" not in ours.raw + direct.raw


def test_unlike_credentials_in_the_url(scripted: StartIndex, tmp_path: Path) -> None:
    """A password in the URL and another one as input is an error that shows neither."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    url = index.url.replace("http://", "http://publisher:another-password@")
    ours = publish(tmp_path / "w", to(index.url) | {"repository-url": url})
    assert ours.status == 2
    assert ours.titles == ["Two values for `password`"]
    assert list(ours.states.values()) == ["not-attempted"]
    assert index.requests == []
    assert "another-password" not in ours.raw.replace("::add-mask::another-password", "")


def test_anonymous(scripted: StartIndex, tmp_path: Path) -> None:
    """`user: anonymous` sends no credential."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", {"repository-url": index.url, "user": "anonymous"})
    assert ours.status == 0
    assert index.requests[0].header("Authorization") is None


def test_verbose_and_print_hash(scripted: StartIndex, tmp_path: Path) -> None:
    """Hashes and request lines are in the log by default, and can be switched off."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    loud = publish(tmp_path / "w", to(index.url))
    quiet = publish(tmp_path / "w", to(index.url) | {"verbose": "no", "print-hash": "0"})
    sha256 = loud.report["files"][0]["sha256"]
    assert sha256 in loud.raw
    assert f"POST {index.url} → 200" in loud.raw
    assert sha256 not in quiet.raw
    assert "POST" not in quiet.raw


def test_strict_makes_errors_of_warnings(scripted: StartIndex, tmp_path: Path) -> None:
    """Newer metadata is sent with a warning, and with `strict` it stops the run before anything is sent."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist", metadata_version="2.9")
    make_sdist(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 0
    assert len(ours.messages("warning")) == 1
    strict = publish(tmp_path / "w", to(index.url) | {"strict": "true"})
    assert strict.status == 2
    assert sorted(strict.states.values()) == ["failed", "not-attempted"]
    assert len(index.requests) == 2


def test_all_problems_at_once(tmp_path: Path) -> None:
    """A bad URL, a broken file name and a missing path come out together, before any network."""
    dist = tmp_path / "w" / "dist"
    make_wheel(dist)
    (dist / "no-version.whl").write_text("x")
    inputs = {"repository-url": "http://upload.pypi.org/legacy/", "packages-dir": "dist\nnot-there", "password": TOKEN}
    ours = publish(tmp_path / "w", inputs)
    assert ours.status == 2
    assert len(ours.titles) == 3
    assert len(ours.messages("error")) == 4  # the first sums up
    assert list(ours.states.values()) == ["not-attempted", "failed"]


def test_more_than_ten_problems(tmp_path: Path) -> None:
    """Two hundred broken files: ten annotations, of which the first sums up and the last counts the rest."""
    dist = tmp_path / "w" / "dist"
    dist.mkdir(parents=True)
    for number in range(200):
        (dist / f"demo-{number}-py3-none-any.whl").write_text("not a zip")
    ours = publish(tmp_path / "w", {"password": TOKEN}, transport=PyPI().transport)
    errors = ours.messages("error")
    assert ours.status == 2
    assert len(errors) == 10
    assert "200 files" in errors[0]
    assert "192 more" in errors[-1]
    assert set(ours.states.values()) == {"failed"}
    assert len(ours.states) == 200


def test_a_terminal_sees_no_commands(scripted: StartIndex, tmp_path: Path) -> None:
    """Without GITHUB_ACTIONS no workflow command is printed, and the result is the same."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    (tmp_path / "w" / "dist" / "notes.txt").write_text("x")
    ours = publish(tmp_path / "w", to(index.url), env={"GITHUB_ACTIONS": ""})
    assert ours.status == 0
    assert "::" not in ours.raw
    assert "notice: Other files are left alone" in ours.raw


def test_nothing_is_left_in_the_workspace(scripted: StartIndex, tmp_path: Path) -> None:
    """The workspace is only read: it may be read-only."""
    index = scripted()
    wheel = make_wheel(tmp_path / "w" / "dist")
    before = sorted(path.name for path in (tmp_path / "w").rglob("*"))
    wheel.chmod(0o444)
    (tmp_path / "w" / "dist").chmod(0o555)
    try:
        assert publish_process(tmp_path / "w", to(index.url)).status == 0
    finally:
        (tmp_path / "w" / "dist").chmod(0o755)
    assert sorted(path.name for path in (tmp_path / "w").rglob("*")) == before


def test_unwritable_outputs_do_not_hide_what_happened(scripted: StartIndex, tmp_path: Path) -> None:
    """When GitHub's files cannot be written the release is still told in the log, with a warning."""
    index = scripted()
    make_wheel(tmp_path / "w" / "dist")
    temp = tmp_path / "temp"
    temp.mkdir()
    environ = environment(tmp_path / "w", temp, to(index.url)) | {"GITHUB_OUTPUT": str(tmp_path / "no" / "output")}
    status, raw = bare(environ)
    assert status == 0
    assert "::warning title=The report is incomplete" in raw
    assert (temp / "publish-report.json").is_file()


def test_hostile_server(scripted: StartIndex, tmp_path: Path) -> None:
    """A server's words cannot set outputs, run commands, break the summary's table or show the password."""
    hostile = (
        "##[set-output name=outcome]published\r::set-env name=X::y\n::stop-commands::abcdefgh\n"
        "| <img src=x> [link](http://evil.example) `code` \x1b[31m correct horse+battery ::error::x"
    )
    index = scripted(Answer(400, headers={"Content-Type": "text/plain"}, body=hostile.encode()))
    make_wheel(tmp_path / "w" / "dist")
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 1
    assert ours.outputs["outcome"] == "failed"
    assert "***" in ours.raw
    row = next(line for line in ours.summary.splitlines() if line.startswith("| `demo"))
    assert row.replace("\\|", "").count("|") == 7
    assert "<img" not in ours.summary
    assert "\x1b" not in ours.raw


def test_hostile_file_names(scripted: StartIndex, tmp_path: Path) -> None:
    """File names that are commands, Markdown or no text at all are named without being acted on."""
    index = scripted()
    dist = tmp_path / "w" / "dist"
    make_wheel(dist)
    for name in (b"##[set-output name=outcome]x", b"::error::x", b"a\rb\n::set-env name=X::y", b"\xff\xfe|`*<b>"):
        Path(os.fsdecode(os.fsencode(dist) + b"/" + name)).write_text("x")
        Path(os.fsdecode(os.fsencode(dist) + b"/" + name + b".whl")).write_text("x")
    ours = publish(tmp_path / "w", to(index.url))
    assert ours.status == 2
    assert len(ours.titles) == 4
    assert index.requests == []


def test_a_bug_of_ours_is_reported(tmp_path: Path) -> None:
    """An exception that nobody foresaw keeps its traceback, without secrets, and the report is still written."""

    def broken(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(404)
        raise ZeroDivisionError(request.headers["Authorization"])

    make_wheel(tmp_path / "w" / "dist")
    temp = tmp_path / "temp"
    temp.mkdir()
    environ = environment(tmp_path / "w", temp, {"password": TOKEN})
    status, raw = bare(environ, httpx.MockTransport(broken))
    assert status == 1
    assert "Traceback" in raw
    assert "A bug in publish-action" in raw
    assert TOKEN not in raw.replace(f"::add-mask::{TOKEN}", "")
    assert httpx.BasicAuth("__token__", TOKEN)._auth_header.split()[1] not in raw.split("Traceback")[1]
    report = json.loads((temp / "publish-report.json").read_text())
    assert report["files"][0]["state"] == "failed"
