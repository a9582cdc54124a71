"""Dialects: what differs between package indexes, as rows.

All of them take PyPI's multipart upload; they differ in where, from whom, and in how they answer. The facts are from
2026-08. "Documented" is the vendor's documentation, "observed" a run against the named release, "source" a reading of
the server's code, "reported" a public issue; what is marked unverified is common knowledge that nobody here tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import quote, urljoin

from entrypoint.index.urls import Origin, Url, origin
from entrypoint.index.verdicts import ANYWHERE, PYPI, Sign, Verdict, verdict


class Index(NamedTuple):
    """A package index: what it speaks, accepts and means by its answers."""

    name: str
    """The `index` output."""
    title: str
    """For people; a generic index has its host's name."""
    user: str | None = "__token__"
    """User name when none is given, PyPI's where nothing better is known; None: one must be given."""
    tokens: str | None = None
    """What its API tokens begin with, where it takes nothing else."""
    trusted_publishing: bool = False
    google: bool = False
    """Whether Google credentials open it."""
    public: bool = False
    """Whether anybody may read it: its simple index is read without a credential."""
    attestations: bool = False
    """Whether PEP 740 attestations may be sent with a file."""
    parallel: int = 4
    """Uploads of one project in flight at once. Four is a choice: only PyPI's server was measured."""
    newest_metadata: str | None = None
    """Newest Metadata-Version that it is known to take; None: unknown."""
    web: str | None = None
    """Where people look at projects; None: unknown."""
    warehouse: bool = False
    """Whether it runs PyPI's server, which refuses what no other index looks at."""
    file_limit: int | None = None
    """Bytes of a file that it takes without being asked; None: unknown."""
    project_limit: int | None = None
    """Bytes of all files of a project together."""
    closes_after: int | None = None
    """Days after its first file that a release takes new ones; None: for ever."""
    signs: tuple[Sign, ...] = ANYWHERE
    upload_url: str = ""
    """Empty in what the indexes of a dialect have in common, and nowhere else."""
    simple_url: str | None = None
    """Root of the simple index, with a slash at the end; None where it cannot be told from the upload URL."""
    guesses: tuple[str, ...] = ()
    """Where the simple index may be, if that is not known: what is found there counts, what is not says nothing."""

    def __repr__(self) -> str:
        return f"Index({self.name!r}, {self.upload_url!r}, {self.simple_url!r}, {self.guesses})"

    @property
    def urls(self) -> tuple[str, ...]:
        """Every URL that may be asked for."""
        return tuple(filter(None, (self.upload_url, self.simple_url, *self.guesses)))

    @property
    def origin(self) -> Origin:
        """Scheme, host and port of the upload URL: what the upload credential is bound to."""
        return origin(self.upload_url)

    @property
    def shown(self) -> str:
        """Upload URL for people: without its query, which may hold a token."""
        return self.upload_url.partition("?")[0]

    def verdict(self, status: int, said: str) -> Verdict:
        """Read the answer to an upload.

        `said` is the reason phrase and the body's text, HTML-unescaped; the tags of an HTML page may stay in.
        """
        return verdict(self.signs, status, said)

    def page(self, name: str, version: str) -> str | None:
        """Give the page of a release, if people can look at it."""
        if self.web is None:
            return None
        from packaging.utils import canonicalize_name  # noqa: PLC0415 - most of the program reads no names

        return f"{self.web}/project/{canonicalize_name(name)}/{quote(version, safe='!+')}/"


class Dialect(NamedTuple):
    """A kind of index: how to recognise one by its URL, and where its pages are.

    A URL is a *base* that all pages of one repository share, and the way on from there. In patterns `*`, `?`
    and `[!+]` are those of file names, within one label of a host or one segment of a path.
    """

    common: Index
    """What its indexes have in common: such a one, without its URLs."""
    form: str
    """An upload URL, for messages."""
    hosts: tuple[str, ...] = ()
    """Patterns of the hosts that serve this dialect and nothing else; none: recognised by the path."""
    base: str = ""
    """Pattern of the base; with a leading slash the whole of it, otherwise its end: servers may live under a prefix."""
    pages: tuple[str, ...] = ("", "simple", "+simple", "+f")
    """Ways on from the base that users paste, with whatever follows; "" is the base itself, `+` is devpi's mark."""
    upload: str = "/"
    """Way on from the base to where uploads go."""
    upload_host: str | None = None
    """Host that takes the uploads of all `hosts`."""
    simple: str | None = "simple/"
    """Way on from the base to the root of the simple index, or a URL of its own."""

    def serves(self, host: str) -> bool:
        """Whether the host is one of this dialect's own."""
        return any(_fits(host.removesuffix(".").split("."), pattern.split(".")) for pattern in self.hosts)

    def base_of(self, path: str) -> str | None:
        """Find the base in a path: None if this dialect has no such path."""
        if not self.base:
            return ""
        pattern = self.base.strip("/").split("/")
        for trunk in self._trunks(path):
            segments = trunk.split("/")[1:]
            if _fits(segments if self.base.startswith("/") else segments[-len(pattern) :], pattern):
                return trunk
        return None

    def _trunks(self, path: str) -> Iterator[str]:
        """Cut a path before each of the pages, the shortest first: cutting again finds the same."""
        segments = path.rstrip("/").split("/")
        for end, segment in enumerate(segments):
            if segment and segment in self.pages:
                yield "/".join(segments[:end])
        if "" in self.pages:
            yield "/".join(segments)

    def index_at(self, url: Url, base: str) -> Index:
        """Make the index that a URL with this base belongs to."""
        root = url._replace(
            host=self.upload_host or (url.host.removesuffix(".") if self.hosts else url.host),
            query="" if self.hosts else url.query,
        )
        beside = str(root._replace(path=f"{base.rstrip('/')}/", query=""))
        return self.common._replace(
            title=self.common.title or url.host,
            upload_url=str(root._replace(path=base + self.upload)),
            simple_url=self.simple and urljoin(beside, self.simple),
            guesses=() if self.simple else (beside,) if beside.endswith("/simple/") else _beside(beside),
        )


def _beside(upload_url: str) -> tuple[str, ...]:
    """Guess the simple index: that of pypiserver, and that of devpi (observed with 2.4.2 and 6.20.3)."""
    return (f"{upload_url}simple/", f"{upload_url}+simple/")


def _fits(found: list[str], pattern: list[str]) -> bool:
    return len(found) == len(pattern) and all(map(fnmatchcase, found, pattern))


# PyPI's two indexes. Source (2026-08-21): the slash after `legacy` is required; user names other than `__token__` are
# refused; Metadata 2.6 is refused; attestations are taken with trusted publishing only. Two uploads of one project at
# a time never failed on a local instance, four did for 13 of 270 files. Every path of these hosts means this index.
PYPI_INDEX = Dialect(
    Index(
        "pypi",
        "PyPI",
        tokens="pypi-",
        trusted_publishing=True,
        public=True,
        attestations=True,
        parallel=2,
        newest_metadata="2.5",
        web="https://pypi.org",
        warehouse=True,
        file_limit=100 * 2**20,
        project_limit=10 * 2**30,
        closes_after=14,
        signs=PYPI,
    ),
    form="https://upload.pypi.org/legacy/",
    hosts=("upload.pypi.org", "pypi.org", "pypi.python.org", "upload.pypi.io"),  # the last two: before 2018
    upload="/legacy/",
    upload_host="upload.pypi.org",
    simple="https://pypi.org/simple/",
)
TESTPYPI_INDEX = Dialect(
    PYPI_INDEX.common._replace(name="testpypi", title="TestPyPI", web="https://test.pypi.org"),
    form="https://test.pypi.org/legacy/",
    hosts=("test.pypi.org", "testpypi.python.org"),  # the last: before 2018
    upload="/legacy/",
    upload_host="test.pypi.org",
    simple="https://test.pypi.org/simple/",
)

# Google's documentation has the URLs and the user name; other user names get 401 (reported, uv#9778).
GOOGLE = Dialect(
    Index("google", "Google Artifact Registry", user="oauth2accesstoken", google=True),
    form="https://LOCATION-python.pkg.dev/PROJECT/REPOSITORY/",
    hosts=("?*-python.pkg.dev",),
    base="/?*/?*",
)

# Hosted by one vendor: recognised by the host.
HOSTED = (
    PYPI_INDEX,
    TESTPYPI_INDEX,
    GOOGLE,
    Dialect(  # documented
        Index("codeartifact", "AWS CodeArtifact", user="aws"),
        form="https://HOST/pypi/REPOSITORY/",
        hosts=("?*.d.codeartifact.?*.amazonaws.com",),
        base="/pypi/?*",
    ),
    Dialect(  # documented; any user name that is not empty; the second host is unverified
        Index("azure", "Azure Artifacts"),
        form="https://HOST/ORGANIZATION/PROJECT/_packaging/FEED/pypi/upload/",
        hosts=("pkgs.dev.azure.com", "?*.pkgs.visualstudio.com"),
        base="_packaging/?*/pypi",
        pages=("", "simple", "upload"),
        upload="/upload/",
    ),
    Dialect(  # URL from uv's tests; the user name is unverified; the simple index is on another host
        Index("cloudsmith", "Cloudsmith", user="token"),
        form="https://HOST/ORGANIZATION/REPOSITORY/",
        hosts=("python.cloudsmith.io",),
        base="/?*/?*",
        simple=None,
    ),
)

# Run by anyone: recognised by the path.
SELF_HOSTED = (
    Dialect(  # documented: no slash at the end; ID is a number or a path with %2F. Deploy tokens bring their own user.
        Index("gitlab", "GitLab"),
        form="https://HOST/api/v4/projects/ID/packages/pypi",
        base="api/v4/projects/?*/packages/pypi",
        upload="",
    ),
    Dialect(  # Gitea's documentation, Forgejo's is the same; with a token no user name is looked at (source)
        Index("gitea", "Gitea or Forgejo"),
        form="https://HOST/api/packages/OWNER/pypi",
        base="api/packages/?*/pypi",
        upload="",
    ),
    Dialect(  # documented: access tokens go with an empty user name, `__token__` gets 401
        Index("artifactory", "Artifactory", user=""),
        form="https://HOST/artifactory/api/pypi/REPOSITORY",
        base="api/pypi/?*",
        upload="",
    ),
    Dialect(  # reported (poetry#10602, uv#10174); that a user name is needed is unverified
        Index("nexus", "Nexus", user=None),
        form="https://HOST/repository/REPOSITORY/",
        base="repository/?*",
    ),
    # Observed with pulp_python 3.37.1: 301 without the slash, 401 for `__token__`. It takes attestations; but a path is
    # a guess, a signature is public for good, and a bad one makes the file vanish after a 202: none are sent.
    Dialect(
        Index("pulp", "Pulp", user=None),
        form="https://HOST/pypi/DISTRIBUTION/legacy/",
        base="pypi/?*/legacy",
        pages=("",),
        simple="../simple/",
    ),
)

# Observed with devpi-server 6.20.3: 401 for `__token__`, 302 for a project name that is not normalised. Its upload URL
# has no mark of its own; the pages that users copy have one.
DEVPI = Dialect(
    Index("devpi", "devpi", user=None),
    form="https://HOST/USER/INDEX/",
    base="[!+]*/[!+]*",
    pages=("+simple", "+f"),
    simple="+simple/",
)

# Anything else: taken as it is. A simple index is only guessed beside it: a 404 from a guess proves nothing.
GENERIC = Dialect(Index("generic", ""), form="https://HOST/PATH/", upload="", simple=None)

DIALECTS = (*HOSTED, *SELF_HOSTED, DEVPI, GENERIC)
"""In the order in which they are tried."""


class Mistake(NamedTuple):
    """A URL that users take for an upload URL."""

    why: str
    """Goes on after "it"."""
    forms: tuple[str, ...]
    """What to write instead."""
    hosts: tuple[str, ...] = ()
    """Patterns as in a dialect."""
    paths: tuple[str, ...] = ()
    """Patterns of the whole path, in which `*` spans segments."""

    def fits(self, url: Url) -> bool:
        """Whether this URL is such a mistake."""
        labels = url.host.removesuffix(".").split(".")
        return any(_fits(labels, host.split(".")) for host in self.hosts) or any(
            fnmatchcase(url.path, path) for path in self.paths
        )


_FORM = {dialect.common.name: dialect.form for dialect in DIALECTS}
MISTAKES = (  # documented, but for the web pages, which are common knowledge
    Mistake("is a host for another format than Python's", (_FORM["google"],), hosts=("?*-?*.pkg.dev",)),
    Mistake(
        "is a host of Google's for other things than Python distributions",
        (_FORM["google"],),
        hosts=("gcr.io", "?*.gcr.io", "artifactregistry.googleapis.com"),
    ),
    Mistake("belongs to GitHub Packages, which has no Python registry", (), hosts=("?*.pkg.github.com",)),
    Mistake(
        "names a group, and GitLab takes uploads to a project", (_FORM["gitlab"],), paths=("*/api/v4/groups/*/pypi*",)
    ),
    Mistake(
        "has a project ID of several segments: write a number, or the path with %2F for `/`",
        (_FORM["gitlab"],),
        paths=("*/api/v4/projects/*/packages/pypi*",),
    ),
    Mistake("is a web page of GitLab, Gitea or Forgejo", (_FORM["gitlab"], _FORM["gitea"]), paths=("*/-/*",)),
    Mistake(
        "is a web page of Artifactory",
        (_FORM["artifactory"],),
        paths=("/ui/native/*", "/ui/repos/*", "/ui/packages/*", "/artifactory/webapp/*"),
    ),
    Mistake("lacks Artifactory's way to Python, `/api/pypi/`", (_FORM["artifactory"],), paths=("/artifactory/?*",)),
)
"""Asked after the dialects that have a mark of their own: what is left over and looks like these is none of them."""
