"""The simple index: every form of its pages, and everything that is none of them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import html
import json
import math
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint import simple
from entrypoint.errors import CredentialError, PublishError, Refused, Unavailable, Unreachable
from entrypoint.index import Index, locate
from entrypoint.simple import Project, RemoteFile
from tests.conftest import StartIndex
from tests.contexts import basic
from tests.line import ROOT as WORKSPACE
from tests.peers.scripted import Answer, Request, endless

ROOT = "https://index.example/simple/"
PAGE = f"{ROOT}demo/"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
SHA256 = hashlib.sha256(b"demo").hexdigest()
SDIST = f'<a href="/files/demo-1.0.tar.gz#sha256={SHA256}">demo-1.0.tar.gz</a>'
LINKS = f"<!DOCTYPE html><title>Links for demo</title>{SDIST}"

Handler = Callable[[httpx.Request], httpx.Response]


def asked(handler: Handler, name: str = "demo") -> Project:
    """Read a project from whatever a handler answers, with a credential for index.example."""
    index = index_at("https://index.example/upload/")
    with httpx.Client(transport=httpx.MockTransport(handler), follow_redirects=False) as http:
        return simple.read(http, ROOT, name, basic(index, "publisher", "a password"))


def index_at(url: str) -> Index:
    """Locate the index of an upload URL."""
    return locate(name=None, url=url, workspace=WORKSPACE).index


def streamed(body: bytes, status: int = 200, **headers: str) -> Handler:
    """Answer with bytes as they are on the wire."""
    return lambda _: httpx.Response(
        status, headers={name.replace("_", "-"): each for name, each in headers.items()}, stream=httpx.ByteStream(body)
    )


def page(body: str | bytes, content_type: str = "text/html; charset=utf-8", name: str = "demo") -> Project:
    """Read a project from a page."""
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    return asked(streamed(raw, Content_Type=content_type), name)


def document(*files: Any, version: str = "1.4", name: str = "demo", **more: Any) -> str:
    """Make a page in JSON."""
    return json.dumps({"meta": {"api-version": version}, "name": name, "files": list(files), **more})


def with_status(value: Any) -> dict[str, Any]:
    """Give what a page in JSON says of its project's status."""
    return {"project-status": value}


def entry(filename: str = "demo-1.0.tar.gz", **more: Any) -> dict[str, Any]:
    """Make a file of it."""
    return {"filename": filename, "url": f"/files/{filename}", "hashes": {"sha256": SHA256}, **more}


def listed(*entries: dict[str, Any]) -> Project:
    """Read files from JSON."""
    return page(document(*entries), JSON)


def refused(body: str | bytes, content_type: str = "text/html") -> str:
    """Give the reason why a page is not taken."""
    with pytest.raises(Refused) as caught:
        page(body, content_type)
    assert caught.value.title == "This is not a page of a simple index"
    assert "check-url" in caught.value.tip
    return caught.value.detail


# JSON


def test_json() -> None:
    """PEP 691, 700, 714, 740: a file has a name, a URL, hashes, a size, a time, its metadata's hash, provenance."""
    project = listed(
        entry(
            size=17,
            yanked="broken",
            provenance="https://index.example/integrity/demo/",
        )
        | {"upload-time": "2026-01-02T03:04:05.678901Z", "core-metadata": {"sha256": SHA256}, "gpg-sig": False}
    )
    assert project == Project(
        "demo",
        exists=True,
        files=(
            RemoteFile(
                "demo-1.0.tar.gz",
                "https://index.example/files/demo-1.0.tar.gz",
                {"sha256": SHA256},
                17,
                datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
                SHA256,
                "https://index.example/integrity/demo/",
                yanked=True,
            ),
        ),
    )


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        f"{JSON}; charset=utf-8",
        "Application/VND.pypi.simple.v1+JSON ;q=1",
        "application/vnd.pypi.simple.latest+json",
        "application/json;charset=UTF-8",
    ],
)
def test_types_of_json(content_type: str) -> None:
    """PEP 691: the client looks at the type of the answer; its parameters and its case do not matter."""
    assert page(document(entry()), content_type).find("demo-1.0.tar.gz")


@pytest.mark.parametrize(
    "content_type", [HTML, "text/html", "TEXT/HTML; charset=utf-8", "application/vnd.pypi.simple.latest+html"]
)
def test_types_of_html(content_type: str) -> None:
    """PEP 691: `text/html` is another name of the HTML form."""
    assert page(LINKS, content_type).find("demo-1.0.tar.gz")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/octet-stream", "application/pdf;x=text/html"])
def test_other_types(content_type: str) -> None:
    """PEP 691: what has another type is not understood, whatever is in it."""
    assert "its type is" in refused(LINKS, content_type)


def test_what_is_asked_for() -> None:
    """PEP 691: the best type comes first; the name in the URL is normalised and ends with a slash (PEP 503)."""
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((str(request.url), request.headers["Accept"], request.headers["Accept-Encoding"]))
        return httpx.Response(404)

    assert asked(answer, "De_.mo").name == "de-mo"
    assert seen == [
        (
            f"{ROOT}de-mo/",
            f"{JSON}, {HTML};q=0.2, text/html;q=0.01",
            "gzip",
        )
    ]


@pytest.mark.parametrize("version", ["1.0", "1.4", "1.10", "1"])
def test_minor_versions(version: str) -> None:
    """PEP 629: a newer minor version is read, with what is known of it."""
    assert page(document(entry(), version=version, surprise=[1]), JSON).exists
    assert page(f'<meta name="pypi:repository-version" content="{version}">{SDIST}').exists


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.1", "two", ""])
def test_major_versions(version: str) -> None:
    """PEP 629: another major version is an error, whatever else is on the page."""
    assert f"version {version!r}" in refused(json.dumps({"meta": {"api-version": version}}), JSON)
    assert f"version {version!r}" in refused(f'<META content="{version}" NAME="PyPI:repository-version">{SDIST}')


@pytest.mark.parametrize(
    ("hashes", "kept"),
    [
        ({"sha256": SHA256.upper()}, {"sha256": SHA256}),
        ({"SHA256": SHA256}, {"sha256": SHA256}),
        ({"sha512": "a" * 128, "sha384": "B" * 96}, {"sha512": "a" * 128, "sha384": "b" * 96}),
        (
            {"md5": "0" * 32, "sha1": "1" * 40, "sha224": "2" * 56},
            {"md5": "0" * 32, "sha1": "1" * 40, "sha224": "2" * 56},
        ),
        ({"blake2b": "a" * 64, "": ""}, {}),
        ({"sha256": ""}, {}),
        ({"sha256": "a" * 63}, {}),
        ({"sha256": f"{SHA256}\n"}, {}),
        ({"sha256": "g" * 64}, {}),
        ({"sha256": 5}, {}),
        ({}, {}),
    ],
    ids=str,
)
def test_hashes(hashes: dict[str, Any], kept: dict[str, str]) -> None:
    """PEP 691: `hashes` may hold any that `hashlib` has, or none; hex is compared in lower case, and has its length."""
    (file,) = listed(entry(hashes=hashes)).files
    assert file.hashes == kept


@pytest.mark.parametrize("value", [None, [], "sha256", 5, {"sha256": None}])
def test_hashes_of_another_kind(value: Any) -> None:
    """What is no hash counts as no hash, and the file is there all the same."""
    (file,) = listed(entry(hashes=value)).files
    assert file.hashes == {}


@pytest.mark.parametrize(("value", "yanked"), [(True, True), ("why", True), (False, False), ("", False), (None, False)])
def test_yanked(value: Any, yanked: bool) -> None:
    """PEP 592: a truthy `yanked` is one; such a file exists like any other."""
    (file,) = listed(entry(yanked=value)).files
    assert file.yanked is yanked
    assert listed(entry(yanked=value)).find("demo-1.0.tar.gz")


def test_core_metadata() -> None:
    """PEP 714: `core-metadata` comes before the `dist-info-metadata` of PEP 658, and `true` is no hash."""
    new, old = {"sha256": "a" * 64}, {"sha256": "b" * 64}
    entries = [
        entry() | {"core-metadata": new, "dist-info-metadata": old},
        entry() | {"dist-info-metadata": old},
        entry() | {"core-metadata": True, "dist-info-metadata": old},
        entry(),
    ]
    assert [file.core_metadata for file in listed(*entries).files] == ["a" * 64, "b" * 64, None, None]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T04:04:05+01:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1767322800, None),
    ],
)
def test_upload_time(text: Any, moment: datetime | None) -> None:
    """PEP 700: `upload-time` is ISO 8601 in UTC; what is none is not known."""
    (file,) = listed(entry(**{"upload-time": text})).files
    assert file.uploaded == moment


@pytest.mark.parametrize(("value", "size"), [(0, 0), (17, 17), (None, None), ("17", None), (True, None), (1.5, None)])
def test_size(value: Any, size: int | None) -> None:
    """PEP 700: `size` is an integer; what is none is not known."""
    (file,) = listed(entry(size=value)).files
    assert file.size == size


@pytest.mark.parametrize("status", ["active", "archived", "quarantined", "deprecated"])
def test_status(status: str) -> None:
    """PEP 792: a project has a status, with a reason that is told in one line."""
    reason = "for\n::error::reasons \ud800"
    in_json = page(document(entry(), **with_status({"status": status, "reason": reason})), JSON)
    in_html = page(
        f'<meta name="pypi:project-status" content="{status.upper()}">'
        f'<meta name="pypi:project-status-reason" content="for &#10; ::error::reasons &#xd800;">{SDIST}'
    )
    for project in (in_json, in_html):
        assert (project.status, project.status_reason) == (status, "for ::error::reasons \ufffd")


@pytest.mark.parametrize("value", [None, [], "archived", {}, {"status": None}, {"status": 5, "reason": []}])
def test_no_status(value: Any) -> None:
    """PEP 792: without a status a project is active."""
    project = page(document(entry(), **with_status(value)), JSON)
    assert (project.status, project.status_reason) == ("active", "")
    assert page(LINKS).status == "active"


def test_a_quarantined_project_lists_nothing() -> None:
    """PEP 792: a quarantined project exists and has no files."""
    project = page(document(**with_status({"status": "quarantined"})), JSON)
    assert (project.exists, project.files, project.status) == (True, (), "quarantined")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "nothing",
        "\xff",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        "null",
        "[]",
        '{"error": "unauthorized"}',
        '{"meta": {"api-version": "1.0"}, "projects": [{"name": "demo"}]}',
        '{"meta": {"api-version": "1.0"}, "name": "demo"}',
        '{"meta": {"api-version": "1.0"}, "name": "demo", "files": {}}',
        '{"meta": {"api-version": "1.0"}, "name": "demo", "files": ["demo-1.0.tar.gz"]}',
        '{"meta": {"api-version": "1.0"}, "name": "demo", "files": [{"url": "demo-1.0.tar.gz"}]}',
        '{"meta": {"api-version": "1.0"}, "name": "demo", "files": [{"filename": ""}]}',
        '{"meta": {"api-version": "1.0"}, "name": ["demo"], "files": []}',
        '{"meta": {"api-version": 1.0}, "name": "demo", "files": []}',
        '{"meta": [], "name": "demo", "files": []}',
        '{"name": "demo", "files": []}',
    ],
    ids=lambda body: body[:80],
)
def test_json_of_something_else(body: str) -> None:
    """JSON that is broken, deep, of another API or half of this one is no page, and never an empty project."""
    assert "its JSON is" in refused(body, JSON)


# HTML


def test_html() -> None:
    """PEP 503, 592, 714, 740: an anchor has the URL with a hash in its fragment, and more in its attributes."""
    project = page(
        f"""<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.4"></head><body>
        <!-- <a href="demo-9.9.tar.gz">demo-9.9.tar.gz</a> -->
        <A HREF="../../files/demo-1.0-py3-none-any.whl#SHA256={SHA256.upper()}" data-yanked
           data-requires-python="&gt;=3" data-core-metadata="sha256={SHA256}"
           data-dist-info-metadata="sha256={"0" * 64}" data-provenance="https://index.example/p?a=1&amp;b=2"><b>demo-1.0</b>-py3-none-any.whl</A><br/>
        <a href="demo-1.0.tar.gz#sha512={"b" * 128}" data-dist-info-metadata="sha256={SHA256}">demo-1.0.tar.gz
        </a></body></html>"""
    )
    assert project.files == (
        RemoteFile(
            "demo-1.0-py3-none-any.whl",
            "https://index.example/files/demo-1.0-py3-none-any.whl",
            {"sha256": SHA256},
            core_metadata=SHA256,
            provenance="https://index.example/p?a=1&b=2",
            yanked=True,
        ),
        RemoteFile("demo-1.0.tar.gz", f"{PAGE}demo-1.0.tar.gz", {"sha512": "b" * 128}, core_metadata=SHA256),
    )


@pytest.mark.parametrize(
    ("fragment", "hashes"),
    [
        (f"#sha256={SHA256}", {"sha256": SHA256}),
        (f"#egg=demo&md5={'0' * 32}&sha256={SHA256}", {"md5": "0" * 32, "sha256": SHA256}),
        (f"#sha256={SHA256[:-1]}", {}),
        (f"?sha256={SHA256}", {}),
        ("#sha256", {}),
        ("", {}),
    ],
)
def test_fragments(fragment: str, hashes: dict[str, str]) -> None:
    """PEP 503: a URL should have the hash in its fragment; a file without one is a file."""
    (file,) = page(f'<a href="demo-1.0.tar.gz{fragment}">demo-1.0.tar.gz</a>').files
    assert file.hashes == hashes
    assert "#" not in file.url


@pytest.mark.parametrize(
    ("anchor", "filename"),
    [
        ('<a href="demo-1.0.tar.gz">Download</a>', "demo-1.0.tar.gz"),
        ('<a href="demo-1.0.tar.gz">demo-1.0.t..&gt;</a>', "demo-1.0.tar.gz"),
        ('<a href="x/demo-1.0%2Bcpu-py3-none-any.whl?a=/b"></a>', "demo-1.0+cpu-py3-none-any.whl"),
        ('<a href="/blobs/5f2c">\n demo-1.0.tar.gz\n</a>', "demo-1.0.tar.gz"),
        ('<a href="/get?file=demo"><i>demo</i>-1.0<b>.tar.gz</b></a>', "demo-1.0.tar.gz"),
        ('<a href="demo-1.0.zip"><h1>Demo</h1></a>', "demo-1.0.zip"),
    ],
)
def test_anchors_whose_text_is_not_the_file_name(anchor: str, filename: str) -> None:
    """PEP 503: text and last part of the URL are the file name; where they differ the URL counts, as for pip."""
    assert [file.filename for file in page(anchor).files] == [filename]


@pytest.mark.parametrize(
    ("base", "href", "url"),
    [
        ("", "demo-1.0.tar.gz", f"{PAGE}demo-1.0.tar.gz"),
        ("", "../../x/demo-1.0.tar.gz", "https://index.example/x/demo-1.0.tar.gz"),
        ("", "//cdn.example/demo-1.0.tar.gz", "https://cdn.example/demo-1.0.tar.gz"),
        ("https://cdn.example/a/", "demo-1.0.tar.gz", "https://cdn.example/a/demo-1.0.tar.gz"),
        ("/b/", "c/demo-1.0.tar.gz", "https://index.example/b/c/demo-1.0.tar.gz"),
        ("/b/", "http://[::1/demo-1.0.tar.gz", ""),
        ("http://[::1/", "demo-1.0.tar.gz", f"{PAGE}demo-1.0.tar.gz"),
    ],
)
def test_urls(base: str, href: str, url: str) -> None:
    """PEP 503: URLs may be relative, to the page or to its `<base>`; one that is broken is no URL."""
    bases = f'<base href="{base}"><base href="https://second.example/">' if base else ""
    (file,) = page(f'{bases}<a href="{href}">demo-1.0.tar.gz</a>').files
    assert file.url == url


@pytest.mark.parametrize(
    "href", ["../x/demo-1.0.tar.gz", "demo-1.0.tar.gz", "//cdn.example/y", "http://[::1/", "", None]
)
def test_urls_in_json(href: Any) -> None:
    """PEP 691: URLs are relative to the page too; a broken one leaves the file listed."""
    (file,) = listed(entry(url=href)).files
    assert file.url == "" or file.url.startswith("https://")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "a web page without any mark"),
        ("<h1>It works!</h1>", "a web page without any mark"),
        ("<title>Sign in</title><form><input type=PASSWORD></form><a href='/help'>Help</a>", "a page to sign in"),
        ("<title>Simple index</title><a href='/simple/demo/'>demo</a>", "it lists nothing of demo"),
        ("<title>Links for other</title><a href='other-1.0.tar.gz'>other-1.0.tar.gz</a>", "it lists nothing of demo"),
        ("<title>Links for x</title><a href='demopkg-1.0.zip'></a>", "it lists nothing of demo"),
        (LINKS.replace("demo-1.0.tar.gz", "demo_pkg-1.0.tar.gz"), "it lists nothing of demo"),
        ("<![endless", "without any mark"),
        ("<![odd[x]]>", "its HTML is broken"),
    ],
    ids=lambda value: value[:60],
)
def test_html_of_something_else(body: str, why: str) -> None:
    """A login page, the root, the page of another project or any other web page is never an empty project."""
    if sys.version_info >= (3, 11, 14) and "broken" in why:
        why = "without any mark"  # html.parser takes it for a comment by now
    assert why in refused(body)


@pytest.mark.parametrize(
    "body",
    [
        "<title>Links for demo</title><h1>Links for demo</h1>",
        "<h1>links for demo</h1>",
        '<meta name="pypi:repository-version" content="1.0"><title>demo</title>',
    ],
)
def test_a_project_without_files(body: str) -> None:
    """A page with the marks of a simple index and no link is a project that has no files."""
    assert page(body) == Project("demo", exists=True)


def test_old_kinds_of_files() -> None:
    """A project that has only eggs, installers and archives of old is that project."""
    project = page('<a href="Demo-1.0-py2.7.egg"></a><a href="demo-1.0.win32.exe"></a>')
    assert [file.filename for file in project.files] == ["Demo-1.0-py2.7.egg", "demo-1.0.win32.exe"]
    assert project.find("demo-1.0.tar.gz") is None


def test_encodings_of_html() -> None:
    """Bytes that are no UTF-8 are replaced, and the files are found all the same."""
    assert page(b"<title>Gr\xfc\xdfe</title>" + SDIST.encode()).find("demo-1.0.tar.gz")


# Names


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("Demo_Pkg-1.0.tar.gz", "demo_pkg-1.0.tar.gz"),
        ("demo-pkg-1.0.tar.gz", "demo_pkg-1.0.tar.gz"),
        ("demo.pkg-1.0.0.tar.gz", "demo_pkg-1.0.tar.gz"),
        ("demo_pkg-1.0-py3-none-any.whl", "demo_pkg-1.0.0-py3-none-any.whl"),
        ("demo_pkg-1.0-py3.py2-none-any.whl", "demo_pkg-1.0-py2.py3-none-any.whl"),
        ("demo_pkg-1.0-01-py3-none-any.whl", "demo_pkg-1.0-1-py3-none-any.whl"),
        ("demo_pkg-1.0.RC1-py3-none-any.whl", "demo_pkg-1.0rc1-py3-none-any.whl"),
        ("demo_pkg-1.0.zip", "Demo.Pkg-1.zip"),
    ],
)
def test_names_that_mean_the_same(there: str, here: str) -> None:
    """Names are compared by project (PEP 503), version (PEP 440), build and tags (PEP 425), not by their letters."""
    project = page(document(entry(there), name="Demo.Pkg"), JSON, "demo-pkg")
    found = project.find(here)
    assert found is not None
    assert found.filename == there


@pytest.mark.parametrize(
    "here",
    [
        "demo_pkg-1.0-1-py3-none-any.whl",
        "demo_pkg-1.0-py2.py3-none-any.whl",
        "demo_pkg-1.0-py3-none-linux_x86_64.whl",
        "demo_pkg-1.0.post1-py3-none-any.whl",
        "demo_pkg-1.0+local-py3-none-any.whl",
        "demo_pkg-1.0.tar.gz",
        "demo-1.0-py3-none-any.whl",
        "demo_pkg-2.0.zip",
        "",
        "demo.whl",
    ],
)
def test_names_that_mean_something_else(here: str) -> None:
    """Another version, build, tag, kind or project is another file, and what is no name finds none."""
    names = ("demo_pkg-1.0-py3-none-any.whl", "demo_pkg-2.0.tar.gz", "x.whl", "a")
    assert page(document(*map(entry, names), name="demo-pkg"), JSON, "demo-pkg").find(here) is None


def test_the_exact_name_comes_first() -> None:
    """Where an index has two names that mean the same, the name itself decides, wherever it stands."""
    names = ["Demo-1.0.tar.gz", "demo-1.0.tar.gz", "demo-1.0.0.tar.gz"]
    for order in (names, names[::-1]):
        project = listed(*map(entry, order))
        assert [each.filename for each in map(project.find, names) if each] == names


def test_files_of_a_version() -> None:
    """The files of a version are those of equal versions, and of this project only."""
    project = listed(entry(), entry("demo-1.0.0-py3-none-any.whl"), entry("demo-1.1.tar.gz"), entry("other-1.0.tar.gz"))
    assert [file.filename for file in project.of_version("1")] == ["demo-1.0.tar.gz", "demo-1.0.0-py3-none-any.whl"]
    assert project.of_version("2.0") == project.of_version("no version") == ()


def test_the_name_of_the_project() -> None:
    """PEP 691: `name` may be written in any way; another project's is an error (a proxy that answers for all)."""
    assert page(document(entry(), name="DE.MO_pkg"), JSON, "de-mo-pkg").name == "de-mo-pkg"
    assert "it is the page of 'other'" in refused(document(entry(), name="other"), JSON)


@pytest.mark.parametrize(
    ("root", "name", "named"),
    [
        ("https://x.example/pypi/demo/", "Demo", True),
        ("https://x.example/pypi/De.mo/", "de-mo", True),
        ("https://x.example/a%2Db/", "a_b", True),
        ("https://x.example/simple/", "simple", False),
        ("https://x.example/pypi/demo/", "demo2", False),
        ("https://x.example/", "demo", False),
    ],
)
def test_a_root_that_may_be_a_project(root: str, name: str, named: bool) -> None:
    """A root whose last part is the project's name may be its page; one that is called `simple` is not."""
    assert simple.names_project(root, name) is named


# Statuses


@pytest.mark.parametrize("status", [404, 410])
def test_absent(status: int) -> None:
    """404 and 410 say that there is no such project, whatever else they say."""
    project = asked(streamed(LINKS.encode(), status, Content_Type="text/html"))
    assert project == Project("demo", exists=False) == simple.absent("Demo")


@pytest.mark.parametrize("status", [401, 403])
def test_no_entry(status: int) -> None:
    """401 and 403 are unknown; the tip depends on whether the credential was sent, which goes to its origin only."""
    with pytest.raises(CredentialError) as caught:
        asked(streamed(b"", status))
    assert f"{PAGE} answered {status} to the credential of the upload." in caught.value.detail
    index = index_at("https://upload.example/legacy/")
    with (
        httpx.Client(transport=httpx.MockTransport(streamed(b"", status))) as http,
        pytest.raises(CredentialError) as caught,
    ):
        simple.read(http, ROOT, "demo", basic(index, "publisher", "a password"))
    assert f"answered {status}; no credential was sent" in caught.value.detail
    assert "`check-url`" in caught.value.tip


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 522, 599])
def test_not_now(status: int) -> None:
    """408, 425, 429 and 5xx may be otherwise when asked again, after `Retry-After`."""
    with pytest.raises(Unavailable) as caught:
        asked(streamed(b"", status, Retry_After="17"))
    assert (caught.value.again, caught.value.retry_after) == (True, 17.0)
    assert f"{PAGE} answered {status}." in caught.value.detail
    with pytest.raises(Unavailable) as caught:
        asked(streamed(b"", status))
    assert caught.value.retry_after is None


@pytest.mark.parametrize("status", [201, 204, 206, 300, 302, 304, 400, 402, 405, 406, 418, 451, 501, 505])
def test_other_statuses(status: int) -> None:
    """Everything else is no page, and stays so: a redirect without a target, too."""
    with pytest.raises(Refused, match=f"it answered {status}"):
        asked(streamed(LINKS.encode(), status, Content_Type="text/html"))


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.ReadError("lost")]
)
def test_no_answer(error: httpx.TransportError) -> None:
    """A lost connection and a silence are unknown, and tried again."""

    def lose(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(Unavailable) as caught:
        asked(lose)
    assert caught.value.again
    assert f"While {PAGE} was read" in caught.value.detail


def test_no_connection() -> None:
    """Nobody who listens: nothing was asked, and the message names the page."""
    index = index_at("http://127.0.0.1:1/")
    with httpx.Client() as http, pytest.raises(Unreachable, match=r"While http://127\.0\.0\.1:1/simple/demo/ was read"):
        simple.read(http, "http://127.0.0.1:1/simple/", "demo", basic(index, "publisher", "a password"))


def test_queries_and_passwords_are_not_shown() -> None:
    """A query that a redirect brings, and a password in it, are in no message."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.query:
            return httpx.Response(503)
        return httpx.Response(302, headers={"Location": "https://u:secret@index.example/other/?token=secret"})

    with pytest.raises(Unavailable) as caught:
        asked(answer)
    assert "secret" not in str(caught.value)


# Redirects


def chain(*targets: str) -> tuple[Handler, list[httpx.Request]]:
    """Redirect to one target after the other, and answer with the page in the end."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) > len(targets):
            return streamed(LINKS.encode(), Content_Type="text/html")(request)
        status = (301, 302, 303, 307, 308)[len(seen) % 5]
        return httpx.Response(status, headers={"Location": targets[len(seen) - 1]})

    return answer, seen


@pytest.mark.parametrize(
    "targets",
    [
        ("https://index.example/pypi/demo/",),
        ("/pypi/demo/", "../demo2/", "?page=1", "x/", "//index.example/demo/"),
        ("https://index.example:8443/simple/demo/",),
        ("https://somebody:secret@index.example/simple/demo/",),
    ],
    ids=" ".join,
)
def test_redirects_within_the_host(targets: tuple[str, ...]) -> None:
    """Redirects within the host are followed, up to five; what a target says about users is left out."""
    answer, seen = chain(*targets)
    assert asked(answer).find("demo-1.0.tar.gz")
    assert len(seen) == len(targets) + 1
    for request in seen:
        assert request.url.userinfo == b""
        credential = request.headers.get("Authorization")
        assert (credential == httpx.BasicAuth("publisher", "a password")._auth_header) is (request.url.port is None)
        assert credential is None or request.url.port is None


@pytest.mark.parametrize("targets", [(PAGE,) * 6, ("",) * 6, ("/a", "/b") * 3])
def test_too_many_redirects(targets: tuple[str, ...]) -> None:
    """A loop, or more than five in a row, is no page."""
    answer, seen = chain(*targets)
    with pytest.raises(Refused, match="it redirects more than 5 times"):
        asked(answer)
    assert len(seen) == 6


@pytest.mark.parametrize("target", ["https://pypi.org/simple/demo/", "//pypi.org/simple/demo/", "http://pypi.example/"])
def test_redirect_to_another_host(target: str) -> None:
    """A redirect to another host says "not here", and nobody there is asked."""
    answer, seen = chain(target)
    assert asked(answer) == simple.absent("demo")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://index.example/simple/demo/", "away from https"),
        ("http://u:secret@index.example/x?secret", "away from https"),
        ("ftp://index.example/demo/", "no web address"),
        ("file:///demo/", "no web address"),
        ("mailto:somebody", "no URL"),
    ],
)
def test_redirects_that_nobody_should_follow(target: str, why: str) -> None:
    """From https to http, to another scheme or to no URL at all: unknown, and no secret in the message."""
    answer, seen = chain(target)
    with pytest.raises(Refused, match=why) as caught:
        asked(answer)
    assert len(seen) == 1
    assert "secret" not in str(caught.value)


def test_the_other_host_sees_nothing(scripted: StartIndex) -> None:
    """On the wire: the credential goes to the index, and the host that it points to gets no connection."""
    other = scripted(reads=None)
    location = {"Location": f"http://localhost:{other.port}/simple/demo/"}
    index = scripted(reads=lambda _: Answer(302, headers=location))
    with httpx.Client() as http:
        credential = basic(index_at(index.url), "publisher", "a password")
        assert simple.read(http, f"{index.url}simple/", "demo", credential) == simple.absent("demo")
    assert [request.basic for request in index.reads] == [("publisher", "a password")]
    assert other.requests == []


def test_another_port_gets_no_credential(scripted: StartIndex) -> None:
    """On the wire: the same host at another port is asked, without the credential."""
    body = Answer(headers={"Content-Type": "text/html"}, body=LINKS.encode())
    other = scripted(reads=lambda _: body)

    def redirect(request: Request) -> Answer:
        there = "/again/" if request.ordinal == 1 else f"{other.url}demo/"
        return Answer(307, headers={"Location": there})

    index = scripted(reads=redirect)
    with httpx.Client() as http:
        credential = basic(index_at(index.url), "publisher", "a password")
        assert simple.read(http, f"{index.url}simple/", "demo", credential).find("demo-1.0.tar.gz")
    assert [request.basic for request in (*index.reads, *other.reads)] == [("publisher", "a password")] * 2 + [None]


# Bodies


def packed(body: bytes, coding: str = "gzip") -> Project:
    """Read a page that is packed."""
    return asked(streamed(body, Content_Type="text/html", Content_Encoding=coding))


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", " GZIP "])
def test_gzip(coding: str) -> None:
    """A page may be packed with gzip."""
    assert packed(gzip.compress(LINKS.encode()), coding).find("demo-1.0.tar.gz")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no gzip",
        gzip.compress(LINKS.encode())[:-9],
        gzip.compress(LINKS.encode()) + b"more",
        gzip.compress(LINKS.encode())[:-8] + b"\0" * 8,
    ],
    ids=["empty", "other", "cut", "longer", "checksum"],
)
def test_broken_gzip(body: bytes) -> None:
    """What cannot be unpacked to its end is no page, and half of one is not taken for the whole."""
    with pytest.raises(Refused, match="it cannot be unpacked"):
        packed(body)


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "unknown"])
def test_other_codings(coding: str) -> None:
    """What is packed in a way that was not asked for is not unpacked: who does it twice may have a bomb."""
    with pytest.raises(Refused, match="it is packed as"):
        packed(gzip.compress(gzip.compress(LINKS.encode())), coding)


def test_gzip_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb is given up at the limit; nothing behind it is unpacked, and it costs no memory."""
    monkeypatch.setattr(simple, "PAGE_LIMIT", 2**20)
    bomb = gzip.compress(LINKS.encode() + b" " * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="it is longer than 1 MiB"):
            packed(bomb)
        assert tracemalloc.get_traced_memory()[1] < 10 * simple.PAGE_LIMIT
    finally:
        tracemalloc.stop()


def test_endless_page(scripted: StartIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the wire: a page without an end is read up to the limit."""
    monkeypatch.setattr(simple, "PAGE_LIMIT", 2**20)
    index = scripted(reads=lambda _: Answer(headers={"Content-Type": "text/html"}, body=endless()))
    with httpx.Client() as http, pytest.raises(Refused, match="it is longer than 1 MiB"):
        simple.read(http, f"{index.url}simple/", "demo", None)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(cut="mid-answer", headers={"Content-Type": "text/html"}, body=LINKS.encode() * 10),
        Answer(cut="after-body"),
        Answer(cut="reset"),
        Answer(delay=math.inf),
    ],
    ids=["half", "closed", "reset", "silent"],
)
def test_cut_page(scripted: StartIndex, answer: Answer) -> None:
    """On the wire: half a page, or none, is unknown, though the file may have been in the half that came."""
    index = scripted(reads=lambda _: answer)
    with httpx.Client(timeout=0.5) as http, pytest.raises(Unavailable):
        simple.read(http, f"{index.url}simple/", "demo", None)


def test_a_slow_page(scripted: StartIndex) -> None:
    """On the wire: a page that drips is waited for, as long as it goes on."""
    answer = Answer(headers={"Content-Type": "text/html"}, body=LINKS.encode(), drip=0.002)
    index = scripted(reads=lambda _: answer)
    with httpx.Client(timeout=0.2) as http:
        assert simple.read(http, f"{index.url}simple/", "demo", None).exists


# Properties

often = settings(deadline=None, max_examples=200)


def never_crashes(body: str | bytes, content_type: str) -> None:
    """Read a page: a project or a problem that a user can put right, and nothing else."""
    try:
        project = page(body, content_type)
    except PublishError as error:
        detail = error.detail
    else:
        assert project.exists
        project.find("demo-1.0.tar.gz")
        detail = project.status_reason
    assert detail.isprintable()


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["demo", "1.0", "demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl", "http://[", "2026-01-01", SHA256, "sha256"]
    )
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "filename": SCALARS,
        "url": SCALARS,
        "hashes": ANYTHING | st.dictionaries(st.sampled_from(["sha256", "md5", "x"]), SCALARS),
        "size": SCALARS,
        "upload-time": SCALARS,
        "core-metadata": ANYTHING,
        "dist-info-metadata": ANYTHING,
        "provenance": ANYTHING,
        "yanked": ANYTHING,
    },
)
PAGES = st.fixed_dictionaries(
    {"meta": st.just({"api-version": "1.0"}) | ANYTHING, "name": st.just("demo") | ANYTHING},
    optional={"files": st.lists(ENTRIES, max_size=4) | ANYTHING, "project-status": ANYTHING},
)


@often
@given(PAGES | ANYTHING)
def test_any_json(value: Any) -> None:
    """Whatever JSON an index sends, it is read or refused."""
    never_crashes(json.dumps(value), JSON)


@often
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Whatever bytes an index sends as JSON, HTML or gzip, they are read or refused."""
    for content_type in (JSON, HTML):
        never_crashes(body, content_type)


MARKUP = (
    "<a href=",
    "<a ",
    "</a>",
    "<base href=",
    "<meta name=",
    "pypi:repository-version",
    " content=1.0>",
    "<![",
    "<!",
)
WORDS = st.sampled_from(
    [*MARKUP, "'", '"', ">", "&#xd800;", "#sha256=", SHA256, "http://[", "//", "demo-1.0.tar.gz", "%ff"]
)


@often
@given(st.lists(WORDS | st.text(max_size=9)).map("".join))
def test_any_html(body: str) -> None:
    """Whatever HTML an index sends, it is read or refused."""
    never_crashes(body, HTML)


@often
@given(st.text(st.characters(codec="ascii")) | st.sampled_from(["https://x:y/", "//[", "a:b", "https://[::1"]))
def test_any_redirect(location: str) -> None:
    """Wherever an index points, it is followed, absent or refused."""
    with contextlib.suppress(PublishError):
        asked(chain(location)[0])


HASHES = st.dictionaries(st.sampled_from(sorted(simple._HEX)), st.integers(min_value=0), max_size=3).map(
    lambda pairs: {name: hashlib.new(name, str(number).encode()).hexdigest() for name, number in pairs.items()}
)
VERSIONS = st.builds(
    "{}.{}{}".format, st.integers(0, 30), st.integers(0, 30), st.sampled_from(["", "rc1", ".post2", "+é!"])
)
FILENAMES = st.builds(
    "{}-{}{}".format,
    st.sampled_from(["demo", "Demo", "DEMO"]),
    VERSIONS,
    st.sampled_from([".tar.gz", ".zip", "-py3-none-any.whl", "-7x-cp311-cp311-win32.whl", ".egg"]),
)
FILES = st.builds(
    RemoteFile,
    filename=FILENAMES,
    url=st.just(""),
    hashes=HASHES,
    core_metadata=st.none() | st.just(SHA256),
    provenance=st.none()
    | st.text(st.characters(exclude_categories=["C"]), min_size=1).map("https://x.example/{}".format),
    yanked=st.booleans(),
)


def in_json(files: Sequence[RemoteFile]) -> str:
    """Write a project as JSON."""
    entries = [
        entry(
            file.filename,
            hashes=file.hashes,
            yanked="<why>" if file.yanked else False,
            provenance=file.provenance,
            **{"core-metadata": {"sha256": file.core_metadata} if file.core_metadata else False},
        )
        for file in files
    ]
    return document(*entries)


def in_html(files: Sequence[RemoteFile]) -> str:
    """Write it as HTML."""

    def anchor(file: RemoteFile) -> str:
        fragment = "&".join(f"{name}={digest}" for name, digest in file.hashes.items())
        attributes: Mapping[str, str | None] = {
            "href": f"/files/{file.filename}#{fragment}",
            "data-yanked": "<why>" if file.yanked else None,
            "data-core-metadata": f"sha256={file.core_metadata}" if file.core_metadata else None,
            "data-provenance": file.provenance,
        }
        told = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items() if value is not None)
        return f"<a{told}>{html.escape(file.filename)}</a><br>"

    return f"<!DOCTYPE html><html><body><h1>Links for demo</h1>{''.join(map(anchor, files))}</body></html>"


@often
@given(st.lists(FILES, max_size=5))
def test_round_trip(files: list[RemoteFile]) -> None:
    """A project that is written as JSON and as HTML is read as the same files, with the same hashes."""
    from_json, from_html = page(in_json(files), JSON), page(in_html(files), HTML)
    assert from_json == from_html
    for read, wanted in zip(from_json.files, files, strict=True):
        assert (read.filename, read.hashes, read.core_metadata) == (
            wanted.filename,
            wanted.hashes,
            wanted.core_metadata,
        )
        assert (read.provenance, read.yanked) == (wanted.provenance, wanted.yanked)
