"""Package indexes: recognised, repaired, refused; what their answers mean; what users read about them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoint.errors import InputError
from entrypoint.index import Index, Located, Verdict, locate, redacted
from entrypoint.index.dialects import DIALECTS, HOSTED, MISTAKES
from entrypoint.index.verdicts import PYPI

NOWHERE = Path("/nonexistent")
DOCS = Path(__file__).parent.parent / "docs" / "indexes.md"
PYPI_URL = "https://upload.pypi.org/legacy/"
TEST_URL = "https://test.pypi.org/legacy/"
GOOGLE_URL = "https://europe-west1-python.pkg.dev/project/repo/"
SECRET = "s3cr3t"


def at(url: str, check_url: str | None = None) -> Located:
    return locate(name=None, url=url, check_url=check_url, workspace=NOWHERE)


def host_of(dialect: str) -> str:
    """Make a host that is recognised, from the pattern in the row."""
    [row] = [row for row in DIALECTS if row.common.name == dialect]
    return row.hosts[0].replace("?*", "x-1")


def refusal(url: str) -> InputError:
    with pytest.raises(InputError) as caught:
        at(url)
    assert "`repository-url`" in caught.value.detail
    return caught.value


AWS, AZURE, CLOUDSMITH = (f"https://{host_of(name)}" for name in ("codeartifact", "azure", "cloudsmith"))


# Recognition: given URL → dialect, upload URL, simple root, default user name.
AS_DOCUMENTED = [
    (PYPI_URL, "pypi", "https://pypi.org/simple/", "__token__"),
    (TEST_URL, "testpypi", "https://test.pypi.org/simple/", "__token__"),
    (GOOGLE_URL, "google", f"{GOOGLE_URL}simple/", "oauth2accesstoken"),
    (f"{AWS}/pypi/repo/", "codeartifact", f"{AWS}/pypi/repo/simple/", "aws"),
    (f"{AZURE}/o/_packaging/f/pypi/upload/", "azure", f"{AZURE}/o/_packaging/f/pypi/simple/", "__token__"),
    (f"{AZURE}/o/p/_packaging/f/pypi/upload/", "azure", f"{AZURE}/o/p/_packaging/f/pypi/simple/", "__token__"),
    (f"{CLOUDSMITH}/org/repo/", "cloudsmith", None, "token"),
    ("https://h/api/v4/projects/7/packages/pypi", "gitlab", "/simple/", "__token__"),
    ("https://h/sub/api/v4/projects/a%2Fb/packages/pypi", "gitlab", "/simple/", "__token__"),
    ("https://h/api/packages/owner/pypi", "gitea", "/simple/", "__token__"),
    ("https://h/artifactory/api/pypi/repo", "artifactory", "/simple/", ""),
    ("https://h/repository/repo/", "nexus", "simple/", None),
    ("https://h/pypi/dist/legacy/", "pulp", "https://h/pypi/dist/simple/", None),
    ("https://h:8443/any/thing", "generic", None, "__token__"),
    ("https://h/simple/", "generic", None, "__token__"),
    ("https://h/upload?repo=x", "generic", None, "__token__"),
    ("https://h/pypi/dist/", "generic", None, "__token__"),
]


@pytest.mark.parametrize(("url", "name", "simple", "user"), AS_DOCUMENTED)
def test_documented_upload_url(url: str, name: str, simple: str | None, user: str | None) -> None:
    """An upload URL as documented is recognised, and taken as it is without a word."""
    located = at(url)
    root = simple if simple is None or simple.startswith("https:") else url + simple
    assert (located.index.name, located.index.upload_url) == (name, url)
    assert (located.index.simple_url, located.index.user) == (root, user)
    assert located.notes == ()


REPAIRED = [
    ("https://upload.pypi.org/legacy", PYPI_URL),
    ("https://upload.pypi.org/", PYPI_URL),
    ("https://pypi.org", PYPI_URL),
    ("https://pypi.org/simple/", PYPI_URL),
    ("https://pypi.org/project/demo/", PYPI_URL),
    ("https://pypi.org/legacy/?:action=file_upload", PYPI_URL),
    ("https://PyPI.org./legacy/", PYPI_URL),
    ("https://pypi.python.org/pypi", PYPI_URL),
    ("https://upload.pypi.io/legacy/", PYPI_URL),
    ("https://upload.pypi.org:8443/legacy", "https://upload.pypi.org:8443/legacy/"),
    ("https://test.pypi.org/simple/demo/", TEST_URL),
    ("https://testpypi.python.org/pypi", TEST_URL),
    (GOOGLE_URL.rstrip("/"), GOOGLE_URL),
    (f"{GOOGLE_URL}simple", GOOGLE_URL),
    (f"{GOOGLE_URL}simple/demo/", GOOGLE_URL),
    (f"{GOOGLE_URL}?x=y", GOOGLE_URL),
    (f"{GOOGLE_URL}#top", GOOGLE_URL),
    ("https://us-python.pkg.dev/p/simple", "https://us-python.pkg.dev/p/simple/"),
    (f"{AWS}/pypi/repo/simple/", f"{AWS}/pypi/repo/"),
    (f"{AZURE}/o/_packaging/f/pypi/simple/", f"{AZURE}/o/_packaging/f/pypi/upload/"),
    (f"{AZURE}/o/_packaging/f/pypi/upload", f"{AZURE}/o/_packaging/f/pypi/upload/"),
    (f"{AZURE}/o/_packaging/f/pypi", f"{AZURE}/o/_packaging/f/pypi/upload/"),
    ("https://h/api/v4/projects/7/packages/pypi/", "https://h/api/v4/projects/7/packages/pypi"),
    ("https://h/api/v4/projects/7/packages/pypi/simple/demo", "https://h/api/v4/projects/7/packages/pypi"),
    ("https://h/api/packages/owner/pypi/simple/", "https://h/api/packages/owner/pypi"),
    ("https://h/artifactory/api/pypi/repo/simple", "https://h/artifactory/api/pypi/repo"),
    ("https://h/artifactory/api/pypi/repo/", "https://h/artifactory/api/pypi/repo"),
    ("https://h/repository/repo", "https://h/repository/repo/"),
    ("https://h/repository/repo/simple/demo/", "https://h/repository/repo/"),
    ("https://h/repository/repository/simple/simple/", "https://h/repository/repository/"),
    ("https://h/pypi/dist/legacy", "https://h/pypi/dist/legacy/"),
    ("https://h/root/dev/+simple/", "https://h/root/dev/"),
    ("https://h/root/dev/+f/ab/cd/demo-1.tar.gz", "https://h/root/dev/"),
    ("https://h/x#readme", "https://h/x"),
]


@pytest.mark.parametrize(("url", "repaired"), REPAIRED)
def test_repair(url: str, repaired: str) -> None:
    """What users paste becomes the upload URL, and a notice shows both."""
    located = at(url)
    assert located.index.upload_url == repaired
    assert {note.level for note in located.notes} == {"notice"}
    assert repaired in located.notes[-1].detail


def test_devpi_page() -> None:
    """A devpi page has a mark that its upload URL lacks: it brings devpi's simple root and user name with it."""
    index = at("https://h/root/dev/+simple/demo/").index
    assert (index.name, index.simple_url, index.user) == ("devpi", "https://h/root/dev/+simple/", None)


@pytest.mark.parametrize(
    "url", [f" {PYPI_URL}\n", "HTTPS://UPLOAD.PYPI.ORG/legacy/", "https://upload.pypi.org/legacy/#"]
)
def test_nothing_to_tell(url: str) -> None:
    """White space around a URL and the case of its scheme and host are no part of it: no notice."""
    located = at(url)
    assert (located.index.upload_url, located.notes) == (PYPI_URL, ())


def test_default_is_pypi() -> None:
    """Without `index` and `repository-url` it is PyPI, with all that PyPI offers."""
    index = locate(name=None, url=None, workspace=NOWHERE).index
    assert index == locate(name="pypi", url=None, workspace=NOWHERE).index == at(PYPI_URL).index
    assert (index.title, index.trusted_publishing, index.attestations, index.google) == ("PyPI", True, True, False)
    assert (index.parallel, index.newest_metadata) == (2, "2.5")
    assert locate(name="testpypi", url=None, workspace=NOWHERE).index == at(TEST_URL).index


def test_features_elsewhere() -> None:
    """Trusted publishing and attestations are PyPI's and TestPyPI's alone; Google's credentials open Google's."""
    others = {dialect.common.name: dialect for dialect in DIALECTS if dialect.common.name not in {"pypi", "testpypi"}}
    assert not any(dialect.common.trusted_publishing or dialect.common.attestations for dialect in others.values())
    assert [name for name, dialect in others.items() if dialect.common.google] == ["google"]


def test_title_of_generic() -> None:
    """An index without a name of its own is called by its host."""
    assert at("https://packages.example:8443/x").index.title == "packages.example"


LOOK_ALIKES = [
    "https://mypypi.org.example/legacy/",
    "https://pypi.org.evil.example/legacy/",
    "https://upload-pypi.org/legacy/",
    "https://mypypi.org/legacy/",
    "https://xpypi.org/legacy/",
    "https://evil.example/pypi.org/legacy-x/",
    "https://us-python.pkg.dev.example/p/r/",
    "https://us-python.pkg.devx/p/r/",
    "https://-python.pkg.dev.example/p/r/",
    "https://xn--pypi-5ve.org/legacy/",
    *(f"https://{host_of(dialect.common.name)}.example/a/b/" for dialect in HOSTED),
    *(f"https://x{host_of(dialect.common.name)}x/a/b/" for dialect in HOSTED),
]


@pytest.mark.parametrize("url", LOOK_ALIKES)
def test_look_alike_host(url: str) -> None:
    """A host that only contains a known one is anybody's: no trusted publishing, no Google token."""
    index = at(url).index
    assert (index.name, index.upload_url) == ("generic", url)
    assert not index.trusted_publishing
    assert not index.google


@pytest.mark.parametrize(
    ("url", "said", "form"),
    [
        *(
            (GOOGLE_URL.replace("-python.", other), "another format", "LOCATION-python.pkg.dev/PROJECT/REPOSITORY/")
            for other in ("-docker.", "-npm.", "-maven.", "-apt.")
        ),
        *(
            (
                f"https://{host.replace('?*', 'x-1')}{dot}/p/r/",
                mistake.why,
                mistake.forms[0] if mistake.forms else "another",
            )
            for mistake in MISTAKES
            for host in mistake.hosts
            for dot in ("", ".")
        ),
        ("https://us-python.pkg.dev/p/", "no upload URL of Google Artifact Registry", "PROJECT/REPOSITORY/"),
        ("https://us-python.pkg.dev/p/r/x/", "no upload URL of Google Artifact Registry", "PROJECT/REPOSITORY/"),
        (f"{AWS}/npm/repo/", "no upload URL of AWS CodeArtifact", "/pypi/REPOSITORY/"),
        (f"{AZURE}/o/_packaging/f/npm/registry/", "no upload URL of Azure Artifacts", "/pypi/upload/"),
        (f"{CLOUDSMITH}/org/", "no upload URL of Cloudsmith", "ORGANIZATION/REPOSITORY/"),
        ("https://h/api/v4/groups/9/-/packages/pypi", "names a group", "/api/v4/projects/ID/packages/pypi"),
        ("https://h/api/v4/groups/9/-/packages/pypi/simple/", "names a group", "/api/v4/projects/ID/packages/pypi"),
        ("https://h/api/v4/projects/a/b/packages/pypi", "%2F", "/api/v4/projects/ID/packages/pypi"),
        ("https://h/group/project/-/packages", "web page of GitLab", "/api/v4/projects/ID/packages/pypi"),
        ("https://h/owner/-/packages/pypi/demo/1.0", "web page of GitLab, Gitea", "/api/packages/OWNER/pypi"),
        ("https://h/ui/native/repo/", "web page of Artifactory", "/artifactory/api/pypi/REPOSITORY"),
        ("https://h/ui/repos/tree/General/repo", "web page of Artifactory", "/artifactory/api/pypi/REPOSITORY"),
        ("https://h/artifactory/repo/", "`/api/pypi/`", "/artifactory/api/pypi/REPOSITORY"),
        ("https://h/artifactory/webapp/x", "web page of Artifactory", "/artifactory/api/pypi/REPOSITORY"),
        ("https://h/artifactory/api/pypi/", "`/api/pypi/`", "/artifactory/api/pypi/REPOSITORY"),
    ],
)
def test_not_an_upload_url(url: str, said: str, form: str) -> None:
    """What is known to take no uploads is refused, quoted, and the right form is named."""
    error = refusal(url)
    assert said in error.detail
    assert f"`{url}`" in error.detail
    assert form in error.tip


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("pypi.org/legacy/", "`pypi.org/legacy/`: it does not start with `https://`"),
        ("//pypi.org/legacy/", "does not start with `https://`"),
        ("https:/pypi.org/legacy/", "does not start with `https://`"),
        ("dist", "does not start with `https://`"),
        ("ftp://h/x", "starts with `ftp://`"),
        ("file:///dist", "starts with `file://`"),
        ("https://", "names no host"),
        ("https:///legacy/", "names no host"),
        ("https://user:pass@/legacy/", "names no host"),
        ("https://h:x/", "port"),
        ("https://h:0/", "port"),
        ("https://h:65536/", "port"),
        ("https://h:-1/", "port"),
        ("https://h:٣/", "port"),  # an Arabic digit, which `int` would take
        ("https://[::1/", "host that cannot be read"),
        ("https://[x]/", "host"),
        ("https://[fe80::1%25eth0]/", "host that is no host name"),
        ("https://a..b/", "host that is no host name"),
        (f"https://{'a' * 64}.example/", "host that is no host name"),
        ("https://${HOST}/", "host that is no host name"),
        ("https://ｐｙｐｉ.org/legacy/", "host beyond ASCII"),  # noqa: RUF001 - full-width letters, NFKC: pypi.org
        ("https://рypi.org/legacy/", "host beyond ASCII"),  # noqa: RUF001 - a Cyrillic letter
        ("https://exa℀mple.org/", "host that cannot be read"),
        ("https://h/a b", "white space or control characters"),
        ("https://h/a\nhttps://h/b", "white space or control characters"),
        ("https://h/\x00", "white space or control characters"),
        ("https://h/\udc80", "white space or control characters"),
        ("https://h/\u202e", "white space or control characters"),
        ("https://pypi.org\\@evil.example/", "backslash"),
    ],
)
def test_no_url(url: str, said: str) -> None:
    """A text that is no URL is refused with what is wrong with it."""
    assert said in refusal(url).detail


def test_all_problems_at_once() -> None:
    """Someone who corrects a URL learns everything that is wrong with it in one run."""
    detail = refusal("ftp://h:x/a b\\").detail
    assert all(problem in detail for problem in ("white space", "backslash", "`ftp://`", "port"))
    detail = refusal("http://us-python.pkg.dev/p").detail
    assert all(problem in detail for problem in ("no upload URL", "in clear"))


def test_missing_scheme_is_shown_added() -> None:
    """Where only the scheme is missing, the whole URL is there to be copied."""
    assert refusal("pypi.org/legacy/").tip == "Write `https://pypi.org/legacy/`."


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}/x@h/",
        f"https://user:1/{SECRET}@h/",
        f"https://user:1?{SECRET}@h/",
        f"https://user:1#{SECRET}@h/",
        f"https://user:{SECRET}#@h/",
        f"https://user:{SECRET}@h:x/",
        f"https://user:{SECRET}@[h/",
        f"https://user:{SECRET}@h/a b",
        f"https://user:{SECRET} @h/",
        f"https://user:{SECRET}＠h/",  # noqa: RUF001 - a full-width @
        f"https://user:{SECRET}%40h/",
        f"https://{SECRET}%40h/",
        f"user:{SECRET}@h/",
        f"//user:{SECRET}@h/",
        f"https:/user:{SECRET}@h/",
        f"user:pa//{SECRET}@h/",
        SECRET,
        f"pypi-{SECRET}",
        f"ftp://user:{SECRET}@h/",
        f"http://user:{SECRET}@pypi.org/legacy/",
        f"https://user:{SECRET}@h/artifactory/r",
        f"https://user:{SECRET}@us-python.pkg.dev/p",
    ],
)
def test_no_password_in_errors(url: str) -> None:
    """However broken a URL is, its error does not quote the password in it, nor what may be one."""
    error = refusal(url)
    assert SECRET not in repr((error.title, error.detail, error.tip, error.args, error.__cause__))


# Credentials


@pytest.mark.parametrize(
    ("userinfo", "user", "password"),
    [
        ("user:pass@", "user", "pass"),
        ("us%40er:p%3Aa%2Fs@", "us@er", "p:a/s"),
        ("user:p:a@ss@", "user", "p:a@ss"),
        ("user@", "user", None),
        (":pass@", None, "pass"),
        ("user:@", "user", None),
        ("@", None, None),
    ],
)
def test_credential_in_url(userinfo: str, user: str | None, password: str | None) -> None:
    """User name and password are taken out of the URL and given back decoded (RFC 3986, section 3.2.1)."""
    located = at(f"https://{userinfo}h/x")
    assert (located.user, located.password, located.index.upload_url) == (user, password, "https://h/x")
    [note] = located.notes
    assert (note.level, "`https://***@h/x`" in note.detail) == ("notice", True)


def test_password_has_no_repr() -> None:
    """A located index can be printed."""
    located = at(f"https://user:{SECRET}@pypi.org/")
    assert located.password == SECRET
    assert SECRET not in repr(located)


@pytest.mark.parametrize("path", ["simple/", "legacy/", "legacy"])
@pytest.mark.parametrize("host", ["pypi.org", "upload.pypi.org", "pypi.python.org", "UPLOAD.pypi.org."])
def test_http_to_pypi(host: str, path: str) -> None:
    """`http` to a known index's host is an error that shows the right URL."""
    error = refusal(f"http://{host}/{path}")
    assert "in clear" in error.detail
    assert error.tip == f"Write `{PYPI_URL}`."


@pytest.mark.parametrize(
    "url",
    [f"http://{host_of('google')}/p/r/", f"{AWS}/pypi/r/", f"{AZURE}/_packaging/f/pypi/upload/", CLOUDSMITH + "/a/b/"],
)
def test_http_to_hosted(url: str) -> None:
    """`http` to a known index's host is an error for every one of them."""
    error = refusal(url.replace("https:", "http:"))
    assert error.tip == f"Write `{url.replace('http:', 'https:')}`."


@pytest.mark.parametrize("url", ["http://h/x", "http://10.0.0.1/", "http://localhost.example/", "http://[::2]/"])
def test_http_elsewhere(url: str) -> None:
    """`http` elsewhere is a warning that the credential travels in clear."""
    [note] = at(url).notes
    assert (note.level, note.title) == ("warning", "The credential travels in clear")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3141/x",
        "http://127.0.0.1:8080/",
        "http://127.9.9.9/",
        "http://[::1]:80/",
        "http://a.localhost/",
    ],
)
def test_http_on_loopback(url: str) -> None:
    """On loopback nothing travels."""
    assert at(url).notes == ()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        (PYPI_URL, ("https", "upload.pypi.org", 443)),
        ("https://H.example:8443/x", ("https", "h.example", 8443)),
        ("http://localhost/x", ("http", "localhost", 80)),
        ("https://[::1]/x", ("https", "::1", 443)),
    ],
)
def test_origin(url: str, origin: tuple[str, str, int]) -> None:
    """The origin has the scheme's port where the URL has none (RFC 6454, section 4)."""
    assert at(url).index.origin == origin


# `check-url`


@pytest.mark.parametrize(
    ("check_url", "root", "told"),
    [
        ("https://mirror.example/simple/", "https://mirror.example/simple/", 0),
        ("https://mirror.example/simple", "https://mirror.example/simple/", 0),
        ("https://mirror.example/custom/root", "https://mirror.example/custom/root/", 0),
        ("https://mirror.example/simple/demo/", "https://mirror.example/simple/", 1),
        ("https://mirror.example/+simple/demo", "https://mirror.example/+simple/", 1),
        ("https://mirror.example/simple/?x=y", "https://mirror.example/simple/", 1),
        ("https://mirror.example/simple/#x", "https://mirror.example/simple/", 1),
        ("https://pypi.org/simple/demo/", "https://pypi.org/simple/", 1),
        (PYPI_URL, "https://pypi.org/simple/", 1),
        ("https://h/api/v4/projects/7/packages/pypi", "https://h/api/v4/projects/7/packages/pypi/simple/", 1),
        ("https://h/api/v4/groups/7/-/packages/pypi/simple", "https://h/api/v4/groups/7/-/packages/pypi/simple/", 0),
    ],
)
def test_check_url(check_url: str, root: str, told: int) -> None:
    """`check-url` becomes the root of a simple index; one that names a project is cut to its root with a notice."""
    located = at("https://h/upload", check_url)
    assert located.index.simple_url == root
    assert [note.level for note in located.notes] == ["notice"] * told
    assert all("`check-url`" in note.detail for note in located.notes)


def test_credential_in_check_url() -> None:
    """A credential in `check-url` is dropped with a warning and never shown."""
    located = at("https://h/upload", f"https://user:{SECRET}@mirror.example/simple/")
    assert located.index.simple_url == "https://mirror.example/simple/"
    assert located.user is located.password is None
    assert "warning" in {note.level for note in located.notes}
    assert SECRET not in repr(located)


def test_http_check_url() -> None:
    """`http` to a known index's host is an error for reading as well."""
    with pytest.raises(InputError, match="check-url"):
        at("https://h/upload", "http://pypi.org/simple/")


# `index`


def named(tmp_path: Path, name: str = "internal", **files: str) -> Located:
    """Locate an index by name, in a workspace with these files (`pyproject`, `uv`)."""
    for stem, text in files.items():
        (tmp_path / f"{stem}.toml").write_text(text, encoding="utf-8")
    return locate(name=name, url=None, workspace=tmp_path)


def unnamed(tmp_path: Path, name: str = "internal", **files: str) -> InputError:
    with pytest.raises(InputError) as caught:
        named(tmp_path, name, **files)
    assert "`index`" in caught.value.detail
    return caught.value


ENTRY = '[[tool.uv.index]]\nname = "internal"\nurl = "https://h/simple/demo/"\npublish-url = "https://h/repository/r"\n'


def test_index_of_pyproject(tmp_path: Path) -> None:
    """`publish-url` takes the uploads and `url` is the simple index; both are repaired, and told where they stand."""
    located = named(tmp_path, pyproject=ENTRY)
    assert (located.index.name, located.index.upload_url) == ("nexus", "https://h/repository/r/")
    assert located.index.simple_url == "https://h/simple/"
    assert all("`index` (`internal` in `pyproject.toml`)" in note.detail for note in located.notes)


def test_index_without_simple_url(tmp_path: Path) -> None:
    """Without `url` the simple index is the one of the dialect."""
    text = f'[[tool.uv.index]]\nname = "internal"\npublish-url = "{GOOGLE_URL}"\n'
    assert named(tmp_path, pyproject=text).index.simple_url == f"{GOOGLE_URL}simple/"


def test_index_of_uv_toml(tmp_path: Path) -> None:
    """A `uv.toml` makes uv ignore `[tool.uv]` beside it."""
    located = named(tmp_path, pyproject=ENTRY, uv=ENTRY.replace("tool.uv.", "").replace("https://h/", "https://other/"))
    assert located.index.upload_url == "https://other/repository/r/"
    error = unnamed(tmp_path, pyproject=ENTRY, uv="")
    assert "does not count beside a `uv.toml`" in error.detail


@pytest.mark.parametrize("name", ["a", "A-b_c.1", "-"])
def test_index_name(tmp_path: Path, name: str) -> None:
    """A name is made of ASCII letters, digits, `-`, `_` and `.`, and found by exact match (uv's rule)."""
    assert named(tmp_path, name, pyproject=ENTRY.replace("internal", name)).index.name == "nexus"


def test_index_name_is_exact(tmp_path: Path) -> None:
    """`Internal` is not `internal`; the error has the names in order."""
    second = ENTRY.replace("internal", "another")
    error = unnamed(tmp_path, "Internal", pyproject=ENTRY + second)
    assert "`another`, `internal`" in error.detail
    assert 'name = "Internal"' in error.tip


@pytest.mark.parametrize("name", ["a b", "ä", "a/b", "", "https://h/", f"https://u:{SECRET}@h/"])
def test_no_index_name(tmp_path: Path, name: str) -> None:
    """What cannot be a name is refused before a file is read; a URL is sent to `repository-url`."""
    error = unnamed(tmp_path, name)
    assert "`repository-url`" in error.tip
    assert SECRET not in error.detail


def test_no_checkout(tmp_path: Path) -> None:
    """Without a file to look the name up in, a checkout is needed."""
    assert "actions/checkout" in unnamed(tmp_path).tip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no index"),
        ("[tool.uv]\nindex = []", "names no index"),
        ('[[tool.uv.index]]\nurl = "https://h/simple/"', "names no index"),
        ('[[tool.uv.index]]\nname = "internal"\nurl = "https://h/"', "has no `publish-url`"),
        ('[[tool.uv.index]]\nname = "internal"\npublish-url = ""', "has no `publish-url`"),
        ('[[tool.uv.index]]\nname = "internal"\npublish-url = 1', "`publish-url` of `internal`"),
        ('[[tool.uv.index]]\nname = "internal"\nurl = []\npublish-url = "https://h/"', "`url` of `internal`"),
        ("[[tool.uv.index]\n", "cannot be read"),
        ('tool = "x"', "no array of tables"),
        ('[tool]\nuv = "x"', "no array of tables"),
        ('[tool.uv]\nindex = "x"', "no array of tables"),
        ('[tool.uv]\nindex = ["x"]', "no array of tables"),
        ('[tool.uv.index]\nname = "internal"', "no array of tables"),
        (ENTRY + ENTRY, "defines `internal` 2 times"),
        (ENTRY.replace("https://h/repository/r", f"ftp://u:{SECRET}@h/"), "`publish-url` of `index`"),
        (ENTRY.replace("https://h/repository/r", "http://pypi.org/legacy/"), "`publish-url` of `index`"),
        (ENTRY.replace("https://h/simple/demo/", "./wheels"), "`url` of `index`"),
    ],
)
def test_unusable_index(tmp_path: Path, text: str, said: str) -> None:
    """Whatever is wrong with the file is an error that names the input and the file."""
    error = unnamed(tmp_path, pyproject=text)
    assert said in error.detail
    assert "pyproject.toml" in error.detail
    assert SECRET not in repr(error.args)


def test_not_utf_8(tmp_path: Path) -> None:
    """TOML is UTF-8; other bytes are the file's fault, not a crash."""
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    assert "cannot be read" in unnamed(tmp_path).detail


@pytest.mark.parametrize(("url", "check_url"), [(PYPI_URL, None), (None, PYPI_URL)])
def test_index_excludes_urls(url: str | None, check_url: str | None) -> None:
    """`index` beside a URL is an error that names both inputs."""
    with pytest.raises(InputError) as caught:
        locate(name="pypi", url=url, check_url=check_url, workspace=NOWHERE)
    assert "`index`" in caught.value.detail
    assert ("`repository-url`" if url else "`check-url`") in caught.value.detail


# Answers


def index_of(name: str) -> Index:
    """Make an index of each dialect."""
    [dialect] = [dialect for dialect in DIALECTS if dialect.common.name == name]
    return at("https://h/root/dev/+simple/" if name == "devpi" else _example(dialect.form, name)).index


def _example(form: str, name: str) -> str:
    return (
        form.replace("HOST", host_of(name))
        if name in {d.common.name for d in HOSTED}
        else form.replace("LOCATION", "us")
    )


EVERYWHERE = [
    (200, "OK", Verdict.STORED),
    (201, "Created", Verdict.STORED),
    (202, '{"task": "/pulp/api/v3/tasks/1/"}', Verdict.ACCEPTED),
    (203, "", Verdict.UNCONFIRMED),
    (204, "No Content", Verdict.UNCONFIRMED),
    (200, "OK <!DOCTYPE html><html><title>Sign in</title></html>", Verdict.UNCONFIRMED),
    (301, "", Verdict.MISDIRECTED),
    (308, "", Verdict.MISDIRECTED),
    (400, "Bad Request", Verdict.REFUSED),
    (400, "'9.9' is not a valid metadata version.", Verdict.REFUSED),
    (401, "Unauthorized", Verdict.UNAUTHORIZED),
    (403, "Forbidden", Verdict.FORBIDDEN),
    (404, "Not Found", Verdict.MISDIRECTED),
    (405, "Method Not Allowed", Verdict.MISDIRECTED),
    (408, "", Verdict.UNAVAILABLE),
    (410, "Gone", Verdict.MISDIRECTED),
    (411, "Length Required", Verdict.REFUSED),
    (413, "Payload Too Large", Verdict.TOO_LARGE),
    (422, "", Verdict.REFUSED),
    (425, "", Verdict.UNAVAILABLE),
    (429, "Too Many Requests", Verdict.UNAVAILABLE),
    (499, "", Verdict.UNAVAILABLE),
    (500, "", Verdict.UNAVAILABLE),
    (501, "", Verdict.REFUSED),
    (502, "", Verdict.UNAVAILABLE),
    (503, "", Verdict.UNAVAILABLE),
    (504, "", Verdict.UNAVAILABLE),
    (505, "", Verdict.REFUSED),
    (520, "", Verdict.UNAVAILABLE),
    (999, "", Verdict.REFUSED),
]


@pytest.mark.parametrize("name", [dialect.common.name for dialect in DIALECTS])
def test_every_status(name: str) -> None:
    """A status means the same everywhere unless words say more; a bare 400 or 403 is never a duplicate."""
    index = index_of(name)
    assert [index.verdict(status, said) for status, said, _ in EVERYWHERE] == [verdict for _, _, verdict in EVERYWHERE]


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("pypi", 400, "File already exists ('demo-1.tar.gz', with blake2_256 hash 'ab'). See https://x for more."),
        ("google", 400, "Bad Request Requested entity already exists.\n"),
        ("codeartifact", 409, "Conflict"),
        ("azure", 409, "The feed already contains file 'demo-1.tar.gz' in package 'demo 1'."),
        ("azure", 403, "The feed already contains file 'demo-1.tar.gz' in package 'demo 1'."),
        ("gitlab", 400, "Validation failed: File name has already been taken"),
        ("gitea", 409, "package file already exists"),
        ("gitea", 400, "package file already exists"),
        ("artifactory", 403, "Not enough permissions to delete/overwrite artifact 'repo:demo'"),
        ("artifactory", 403, "Not enough permissions to overwrite artifact"),
        ("nexus", 400, "Repository does not allow updating assets: repo"),
        ("nexus", 400, "demo/1/demo-1.tar.gz cannot be updated"),
        ("devpi", 409, "demo-1.0.tar.gz already exists in non-volatile index"),
        ("pulp", 400, "Package demo-1.0.tar.gz already exists in index"),
        ("generic", 409, "Conflict <html><pre>Package 'demo-1.0.tar.gz' already exists!</pre></html>"),
        ("generic", 400, "Package 'demo-1.0.tar.gz' already\n exists!"),
        ("generic", 409, "Unauthorized to overwrite packages."),
    ],
)
def test_duplicate(name: str, status: int, said: str) -> None:
    """Each index has its own way to say that a file name is taken, in any case."""
    assert index_of(name).verdict(status, said) is Verdict.EXISTS
    assert index_of(name).verdict(status, said.upper()) is Verdict.EXISTS


@pytest.mark.parametrize("name", ["pypi", "testpypi"])
@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (400, "This filename was previously used by a file that has since been deleted.", Verdict.USED),
        (400, "The name 'demo' is too similar to an existing project.", Verdict.RACED),
        (400, "The name 'demo' isn't allowed.", Verdict.MISNAMED),
        (400, "Non-user identities cannot create new projects.", Verdict.FORBIDDEN),
        (400, "Uploading new files to releases older than 14 days is not allowed.", Verdict.REFUSED),
        (400, "Only one sdist may be uploaded per release.", Verdict.REFUSED),
        (400, "File too large. Limit for project 'demo' is 100 MB.", Verdict.TOO_LARGE),
        (400, "Project size too large. Limit for project 'demo' total size is 10 GB.", Verdict.REFUSED),
        (403, "Read-only mode: Uploads are temporarily disabled.", Verdict.CLOSED),
        (403, "New uploads are temporarily disabled. See https://x for more information.", Verdict.CLOSED),
        (403, "New project registration temporarily disabled.", Verdict.CLOSED),
        (403, "Invalid or non-existent authentication information.", Verdict.UNAUTHORIZED),
        (403, "Username/Password authentication is no longer supported. Migrate to API Tokens", Verdict.UNAUTHORIZED),
        (403, "Invalid API Token: token is expired", Verdict.UNAUTHORIZED),
        (403, "Invalid API Token: signatures do not match", Verdict.UNAUTHORIZED),
        (403, "Invalid API Token: project-scoped token is not valid for project: 'demo'", Verdict.FORBIDDEN),
        (403, "The user 'u' isn't allowed to upload to project 'demo'.", Verdict.FORBIDDEN),
        (409, "The name 'demo' conflicts with an existing project.", Verdict.RACED),
        (409, "Conflict", Verdict.REFUSED),
        (429, "Too many new projects created", Verdict.CLOSED),
    ],
)
def test_pypi(name: str, status: int, said: str, verdict: Verdict) -> None:
    """PyPI's words decide where its status does not."""
    assert index_of(name).verdict(status, said) is verdict


def test_gitlab_too_large() -> None:
    """GitLab says 400 to a file above its limit."""
    assert index_of("gitlab").verdict(400, "File is too large") is Verdict.TOO_LARGE


def test_signs_are_lower_case() -> None:
    """Signs are compared with a text in lower case."""
    for dialect in DIALECTS:
        assert all(sign.words == sign.words.lower() for sign in dialect.common.signs)
        assert (dialect.common.signs is PYPI) == (dialect.common.name in {"pypi", "testpypi"})


def test_release_page() -> None:
    """People look at releases on PyPI and TestPyPI, under the normalised name (PEP 503)."""
    assert at(PYPI_URL).index.page("My_Pkg.x", "1.0") == "https://pypi.org/project/my-pkg-x/1.0/"
    assert at(TEST_URL).index.page("demo", "1!2.0+a") == "https://test.pypi.org/project/demo/1!2.0+a/"
    assert at(GOOGLE_URL).index.page("demo", "1.0") is None


# Documentation


def test_table_in_documentation() -> None:
    """The table of `docs/indexes.md` has the rows of the code, in their order, and their user names and URLs."""
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in DOCS.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| `\w+` \|", line)
    ]
    users = {None: "give one", "": "empty"}
    assert [row[:4] for row in rows] == [
        [row.common.name, row.common.title or "any other", row.form, users.get(row.common.user, str(row.common.user))]
        for row in DIALECTS
    ]


# Properties

TEXT = st.text(st.characters() | st.sampled_from("/:@#?.[]%\\ -+"), max_size=60)
HOSTS = st.sampled_from(
    ["h", "h.example", "127.0.0.1", "[::1]", "pypi.org", "us-python.pkg.dev", "us-x.pkg.dev", "pypi.org."]
    + [host_of(dialect.common.name) for dialect in HOSTED]
)
SEGMENTS = st.lists(
    st.sampled_from(["", "a", "-", "simple", "+simple", "+f", "upload", "legacy", "pypi", "api", "packages"])
    | st.sampled_from(["repository", "artifactory", "_packaging", "projects", "groups", "v4", "ui"]),
    max_size=8,
)
FORMS = st.sampled_from(
    [
        "",
        "/p/r",
        "/api/v4/projects/1/packages/pypi",
        "/api/packages/o/pypi",
        "/api/pypi/r",
        "/repository/r",
        "/pypi/d/legacy",
        "/o/_packaging/f/pypi",
    ]
)
URLS = st.builds(
    lambda scheme, host, form, rest, end: f"{scheme}://{host}{form}/{'/'.join(rest)}{end}",
    st.sampled_from(["https", "http", "HTTPS"]),
    HOSTS,
    FORMS,
    SEGMENTS,
    st.sampled_from(["", "/", "?q=1", "#f", "/?"]),
)
SECRETS = st.text(st.characters(codec="utf-8", min_codepoint=33, exclude_characters="@"), min_size=4).map(
    lambda text: f"<{text}>"
)


@given(TEXT | URLS | st.builds(str.__add__, st.sampled_from(["https://", "http://"]), TEXT))
@example("https://[v1.x]/")
@example("https://a@b@[::1]:/")
def test_any_text(text: str) -> None:
    """Any text is located or refused with an `InputError`; what was located is a URL without credentials."""
    try:
        located = at(text)
    except InputError:
        return
    parts = urlsplit(located.index.upload_url)
    assert (parts.username, parts.password, parts.fragment) == (None, None, "")
    assert parts.hostname
    assert located.index.origin[2] > 0


@given(TEXT)
def test_any_name(text: str) -> None:
    """Any name is located or refused with an `InputError`."""
    if text not in {"pypi", "testpypi"}:
        with pytest.raises(InputError):
            locate(name=text, url=None, workspace=NOWHERE)


@given(URLS)
@example("https://h/a/b/+simple/+f/")
@example("https://h/artifactory/x/+simple/")
@example("https://h/a/-/+simple/")
@example("https://h/p/r/+simple/a/a/+simple")
@example(f"{AZURE}/_packaging/simple/pypi/upload/_packaging/simple/pypi/")
def test_repair_is_final(url: str) -> None:
    """A repaired URL is located as itself, and no notice follows."""
    try:
        first = at(url)
    except InputError:
        return
    second = at(first.index.upload_url)
    assert second.index.upload_url == first.index.upload_url
    assert [note for note in second.notes if note.level == "notice"] == []
    assert first.index.name in {second.index.name, "devpi"}


@given(SECRETS, HOSTS, st.sampled_from(["/p/r", "/p/r/", "/simple", ":x/", "/a b", "/#f", ""]), st.booleans())
def test_no_secret_is_shown(secret: str, host: str, rest: str, encoded: bool) -> None:
    """A password in a URL is in no note, no error and no repr, encoded or not."""
    written = quote(secret, safe="") if encoded else secret
    try:
        located = at(f"https://user:{written}@{host}{rest}")
        shown = repr(located) + "".join(note.detail for note in located.notes)
        assert located.password == secret or not encoded
    except InputError as error:
        shown = repr((error.title, error.detail, error.tip, error.args))
    assert written not in shown
    assert secret not in shown


@given(st.sampled_from(["https://", "http:", "//", ""]), SECRETS, TEXT)
def test_redacted(start: str, secret: str, rest: str) -> None:
    """Everything between the scheme and the last `@` is hidden, whatever else is broken; so is a query behind."""
    shown = redacted(f"{start}{secret}@{rest}")
    behind, mark, query = rest.rpartition("@")[2].partition("?")
    assert secret not in shown.removesuffix(rest)
    assert f"***@{behind}" in shown
    assert shown.endswith(f"***@{behind}") or mark
    assert "?***" in shown or not query.partition("#")[0]
    assert redacted(shown) == shown


def test_redacted_keeps_the_rest() -> None:
    """A URL without credentials is shown as it is, one with them keeps scheme and host."""
    assert redacted(PYPI_URL) == PYPI_URL
    assert redacted("https://user:pass@h/x") == "https://***@h/x"


@pytest.mark.parametrize(
    "url",
    [
        "https://gitlab.example/api/v4/projects/1/packages/pypi/?token=hidden",
        "https://upload.pypi.org/legacy?token=hidden#x",
        "https://user:hidden@index.example/?a=hidden#x",
        "http://upload.pypi.org/legacy/?token=hidden",
    ],
)
def test_a_query_is_not_told(url: str, tmp_path: Path) -> None:
    """A query may hold a token: neither a repair nor a refusal repeats it."""
    try:
        told = [note.detail for note in locate(name=None, url=url, workspace=tmp_path).notes]
    except InputError as error:
        told = [str(error), error.tip]
    assert told
    assert "hidden" not in " ".join(told)
