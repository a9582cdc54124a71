"""A workflow changes its `uses:` line and nothing else: what pypa/gh-action-pypi-publish documents, run through ours.

Each row is a `with:` block as users have it, and what docs/migrating.md promises for it. What comes from uv and twine
is here too: what is read of theirs, and what is not.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
import yaml

from entrypoint.arguments import parse
from entrypoint.inputs import ALIASES, FOREIGN, INPUTS, Inputs
from tests.action.job import RUNTIME_TOKEN
from tests.action.machines import Docker, Machine, Native, no_namespaces
from tests.action.step import StepResult
from tests.action.test_publish import step, workspace
from tests.conftest import StartIndex
from tests.distributions import core_metadata, make_sdist, make_wheel
from tests.line import ROOT
from tests.peers.pypiserver import PypiServer
from tests.peers.scripted import Answer, ScriptedIndex
from tests.peers.world import PyPI, World, running_world
from tests.test_troubleshooting import blocks, faults

__all__ = ["workspace"]

GUIDE = ROOT / "docs" / "migrating.md"

With = Mapping[str, str | bool | int]
"""What stands under `with:`."""
Where = Literal["pypi", "testpypi", "index", "pypiserver", "google"]
"""Who takes the uploads: PyPI and TestPyPI of a world, an index that notes who comes, one with a memory, Google."""

PYPA = {
    *("user", "password", "repository-url", "packages-dir", "verify-metadata", "skip-existing", "verbose"),
    *("print-hash", "attestations"),
    *("repository_url", "packages_dir", "verify_metadata", "skip_existing", "print_hash"),
}
"""Every input of pypa/gh-action-pypi-publish 1.14."""

TESTPYPI = "https://test.pypi.org/legacy/"
UNSIGNED: With = {"attestations": False}
"""For rows that are about something else."""
PRIVATE: With = {
    "repository-url": "${{ env.INDEX_URL }}",
    "user": "${{ env.INDEX_USER }}",
    "password": "${{ secrets.INDEX_PASSWORD }}",
}
SECRET_IN_URL = "swordfish"
DEPRECATED = "has been deprecated with message"
REPAIRED = "A URL was repaired"
LEFT_ALONE = "Other files are left alone"
READ_AS_FALSE = "This word is read as false"
NOT_READ = "Variables of other tools are not read"
TOLD = {REPAIRED, LEFT_ALONE, READ_AS_FALSE, NOT_READ}
"""Titles of notices that a row has to expect, or they are one too many."""


# The places, and what is in them


@dataclass(frozen=True, slots=True)
class Places:
    """Everybody a row may publish to."""

    world: World
    index: ScriptedIndex
    pypiserver: PypiServer

    def env(self, to: Where) -> dict[str, str]:
        """Give the variables of the step."""
        return {
            "HTTPS_PROXY": self.world.proxy_url,
            "SSL_CERT_FILE": "${{ github.workspace }}/ca.pem",
            "INDEX_URL": {"index": self.index.url, "google": self.world.google.repository.url}.get(
                to, self.pypiserver.upload_url
            ),
            "INDEX_USER": self.pypiserver.user,
            "WITH_CREDENTIAL": self.index.url.replace("//", f"//guido:{SECRET_IN_URL}@"),
            "PROVIDER": self.world.google.provider.name,
        }

    def uploads(self, to: Where, project: str) -> dict[str, str]:
        """Give the files that came in, each with who brought it."""
        if to == "index":
            return {each.content.filename: (each.basic or ("nobody", ""))[0] for each in self.index.uploads}
        if to == "pypiserver":
            stem = project.replace("-", "_")
            return {path.name: self.pypiserver.user for path in self.pypiserver.directory.glob(f"{stem}-*")}
        if to == "google":
            files = self.world.google.repository.files.values()
            return {each.filename: "google" for each in files if each.project == project and each.uploaded}
        index: PyPI = getattr(self.world, to)
        return {
            file.filename: "publisher" if index.tokens[file.token].minted else "token"
            for file in index.files
            if file.project == project and file.token
        }


Made = Sequence[Path]
Maker = Callable[[Path, str, Places], Made]
"""Fills a workspace for a project, and gives the files that are to be sent if all goes well."""


def in_(*folders: str) -> Maker:
    """Put a wheel and an sdist into the first folder, a wheel of another version into each further one."""

    def made(workspace: Path, project: str, _: Places) -> Made:
        first, *others = folders
        more = [make_wheel(workspace / other, project, f"{n}.0") for n, other in enumerate(others, start=2)]
        return [make_wheel(workspace / first, project), make_sdist(workspace / first, project), *more]

    return made


RELEASE = in_("dist")
"""What most rows publish."""
NOT_THERE = Answer(404)


def junk(workspace: Path, project: str, places: Places) -> Made:
    """Put beside a release what other tools leave there."""
    made = in_("dist")(workspace, project, places)
    dist = workspace / "dist"
    for name in ("SHA256SUMS", "sbom.cdx.json", f"{made[0].name}.asc"):
        (dist / name).write_text("not a distribution\n")
    (dist / f"{made[0].name}.publish.attestation").write_text("{}")
    (dist / "logs").mkdir()
    return made


def nothing(workspace: Path, _: str, __: Places) -> Made:
    """Make no distribution."""
    (workspace / "empty").mkdir()
    return []


def misnamed(workspace: Path, project: str, _: Places) -> Made:
    """Make a wheel whose metadata has another version than its name."""
    return [make_wheel(workspace / "dist", project, metadata=core_metadata(project, "2.0"))]


def unlisted(workspace: Path, project: str, _: Places) -> Made:
    """Make a wheel with a member that its RECORD does not list."""
    wheel = make_wheel(workspace / "dist", project)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more.py", "")
    return [wheel]


def unrenderable(workspace: Path, project: str, _: Places) -> Made:
    """Make a wheel whose description is no reStructuredText."""
    headers = (("Description-Content-Type", "text/x-rst"),)
    return [make_wheel(workspace / "dist", project, headers=headers, description="A\n=\n\n.. nonsense::\n\n  x `\n")]


def corrupt(workspace: Path, project: str, _: Places) -> Made:
    """Make a wheel that is cut short."""
    wheel = make_wheel(workspace / "dist", project)
    wheel.write_bytes(wheel.read_bytes()[:-200])
    return [wheel]


def again(*, same: bool) -> Maker:
    """Let the index have the wheel already, the same one or another of its name; the sdist is missing there."""

    def made(workspace: Path, project: str, places: Places) -> Made:
        wheel = make_wheel(workspace / "dist", project)
        content = wheel.read_bytes() if same else make_wheel(workspace.parent, project, filler=9).read_bytes()
        (places.pypiserver.directory / wheel.name).write_bytes(content)
        places.world.pypi.put(wheel.name, content)
        places.world.google.repository.put(wheel.name, content)
        return [make_sdist(workspace / "dist", project)]

    return made


def with_file(name: str, text: str) -> Maker:
    """Add a file that may use `{url}` of the index and of its simple index."""

    def made(workspace: Path, project: str, places: Places) -> Made:
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{url}", places.index.url))
        return in_("dist")(workspace, project, places)

    return made


# Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A `with:` block, and what becomes of it."""

    with_: With = field(default_factory=dict)
    to: Where = "pypi"
    who: str = "token"
    """Who brings the files: `publisher` or `token` to PyPI, the user name elsewhere."""
    files: Maker = RELEASE
    may: bool = False
    """Whether the job has `id-token: write`."""
    env: Mapping[str, str] = field(default_factory=dict)
    reads: Answer = NOT_THERE
    """What the index that notes who comes says to who reads."""
    exit_code: int = 0
    error: str = ""
    """Title of the error."""
    says: str = ""
    """What its message says besides."""
    warnings: tuple[str, ...] = ()
    """A part of each warning's title and message: there are no others."""
    notices: tuple[str, ...] = ()
    """Titles, of those in `TOLD` exactly these."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    no_log: tuple[str, ...] = ()


def url(text: str, to: Where = "pypi", *notices: str, **more: str) -> Row:
    """Make a row that publishes with a token to a URL as it was written."""
    secret = {"pypi": "PYPI_TOKEN", "testpypi": "TESTPYPI_TOKEN"}[to]
    with_ = {"repository-url": text, "password": f"${{{{ secrets.{secret} }}}}", **UNSIGNED, **more}
    return Row(with_=with_, to=to, notices=notices)


TOKEN = {"password": "${{ secrets.PYPI_TOKEN }}", **UNSIGNED}
KEYLESS = {"password": "${{ secrets.NOT_SET }}", **UNSIGNED}

MIGRATED: Mapping[str, Row] = {
    # Credentials
    "nothing but uses": Row(may=True, who="publisher", outputs={"index": "pypi"}),
    "the defaults, written out": Row(
        may=True,
        who="publisher",
        with_={
            "user": "__token__",
            "password": "${{ secrets.NOT_SET }}",
            "repository-url": "https://upload.pypi.org/legacy/",
            "packages-dir": "dist",
            "verify-metadata": True,
            "skip-existing": False,
            "verbose": True,
            "print-hash": True,
            **UNSIGNED,
        },
        log=("Hashes", "POST https://"),
    ),
    "a token": Row(with_=TOKEN, may=True, env={"DEBUG": "true"}),
    "a token and an empty user": Row(with_={**TOKEN, "user": ""}),
    "a token with a line end": Row(with_={**TOKEN, "password": "${{ secrets.PYPI_TOKEN }}\n"}),
    "a secret that is not set": Row(
        with_=KEYLESS, exit_code=2, error="No ID token: `id-token: write` is missing", says="`password` is empty"
    ),
    "a secret that is not set, and a publisher": Row(with_=KEYLESS, may=True, who="publisher"),
    "not a token": Row(
        with_={**TOKEN, "password": "${{ secrets.INDEX_PASSWORD }}"},
        exit_code=1,
        error="The index does not take the credential",
        warnings=("This does not look like a token",),
    ),
    "a user on PyPI": Row(with_={**TOKEN, "user": "guido"}, exit_code=2, error="PyPI takes no user names"),
    # Where to
    "TestPyPI": Row(
        to="testpypi",
        may=True,
        who="publisher",
        with_={"repository-url": TESTPYPI, "skip-existing": True, **UNSIGNED},
    ),
    "TestPyPI by a token": url(TESTPYPI, "testpypi"),
    "TestPyPI without a slash": url("https://test.pypi.org/legacy", "testpypi", REPAIRED),
    "PyPI without a slash": url("https://upload.pypi.org/legacy", "pypi", REPAIRED),
    "PyPI before 2018": url("https://pypi.python.org/pypi/", "pypi", REPAIRED),
    "PyPI by its first name": url("https://upload.pypi.io/legacy/", "pypi", REPAIRED),
    "PyPI by http": Row(
        with_={**TOKEN, "repository-url": "http://upload.pypi.org/legacy/"},
        exit_code=2,
        error="Input `repository-url` is not usable",
        says="`http`",
    ),
    "repository_url": Row(
        to="testpypi",
        with_={"repository_url": TESTPYPI, "password": "${{ secrets.TESTPYPI_TOKEN }}", **UNSIGNED},
        warnings=(f"'repository_url' {DEPRECATED}",),
    ),
    "hyphens go first": Row(
        to="testpypi",
        with_={
            "repository-url": TESTPYPI,
            "repository_url": "https://index.example/",
            "password": "${{ secrets.TESTPYPI_TOKEN }}",
            **UNSIGNED,
        },
        warnings=(f"'repository_url' {DEPRECATED}",),
    ),
    "an empty one with hyphens does not": Row(
        with_={**TOKEN, "packages-dir": "", "packages_dir": "wheelhouse"},
        files=in_("wheelhouse"),
        warnings=(f"'packages_dir' {DEPRECATED}",),
    ),
    # Another index
    "user and password": Row(to="index", who="publisher", with_=PRIVATE),
    "an empty user elsewhere": Row(to="index", who="__token__", with_={**PRIVATE, "user": ""}),
    "attestations elsewhere": Row(to="index", who="publisher", with_={**PRIVATE, "attestations": True}, may=True),
    "Gitea": Row(
        to="index",
        who="__token__",
        with_={
            "repository-url": "${{ env.INDEX_URL }}api/packages/octo/pypi",
            "password": "${{ secrets.INDEX_PASSWORD }}",
        },
    ),
    "Nexus": Row(
        to="index",
        with_={
            "repository-url": "${{ env.INDEX_URL }}repository/python/",
            "password": "${{ secrets.INDEX_PASSWORD }}",
        },
        exit_code=2,
        error="`password` without `user`",
    ),
    "a user without a password": Row(
        to="index",
        with_={**PRIVATE, "password": "${{ secrets.NOT_SET }}"},
        exit_code=2,
        error="`user` without `password`",
        says="is the secret set",
    ),
    "neither user nor password": Row(
        to="index",
        with_={"repository-url": "${{ env.INDEX_URL }}", "user": "", "password": "${{ secrets.NOT_SET }}"},
        exit_code=2,
        error="No credential for 127.0.0.1",
        says="`user: anonymous`",
        may=True,
    ),
    "anonymous": Row(to="index", who="nobody", with_={"repository-url": "${{ env.INDEX_URL }}", "user": "anonymous"}),
    "a credential in the URL": Row(
        to="index", who="guido", with_={"repository-url": "${{ env.WITH_CREDENTIAL }}"}, notices=(REPAIRED,)
    ),
    "another credential in the URL": Row(
        to="index",
        with_={**PRIVATE, "repository-url": "${{ env.WITH_CREDENTIAL }}"},
        exit_code=2,
        error="Two values for `user`",
        notices=(REPAIRED,),
    ),
    "an index that may not be read": Row(
        to="index",
        with_={**PRIVATE, "repository-url": "${{ env.INDEX_URL }}api/v4/projects/7/packages/pypi"},
        reads=Answer(403),
        exit_code=2,
        error="The index may not be read",
    ),
    "an authority by TWINE_CERT": Row(
        with_=TOKEN,
        env={"SSL_CERT_FILE": "", "TWINE_CERT": "${{ github.workspace }}/ca.pem"},
        exit_code=2,
        error="The server's certificate is not trusted",
    ),
    "an authority by REQUESTS_CA_BUNDLE": Row(
        with_=TOKEN, env={"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": "${{ github.workspace }}/ca.pem"}
    ),
    # Files
    "packages_dir with a slash": Row(
        with_={**TOKEN, "packages_dir": "custom-dir/"},
        files=in_("custom-dir"),
        warnings=(f"'packages_dir' {DEPRECATED}",),
    ),
    "packages-dir from the workspace on": Row(with_={**TOKEN, "packages-dir": "${{ github.workspace }}/dist"}),
    "packages-dir with a space": Row(with_={**TOKEN, "packages-dir": "my dist"}, files=in_("my dist")),
    "packages-dir with a star": Row(
        with_={**TOKEN, "packages-dir": "packages/*/dist"}, files=in_("packages/a/dist", "packages/b/dist")
    ),
    "junk in dist": Row(with_=TOKEN, files=junk, notices=(LEFT_ALONE,)),
    "no dist": Row(
        with_={**TOKEN, "packages-dir": "wheelhouse"}, files=nothing, exit_code=2, error="Nothing at 'wheelhouse'"
    ),
    "an empty dist": Row(
        with_={**TOKEN, "packages-dir": "empty"}, files=nothing, exit_code=2, error="No distributions found"
    ),
    # verify-metadata
    "a corrupt file, unverified": Row(
        with_={**TOKEN, "verify-metadata": False},
        files=corrupt,
        exit_code=2,
        error="The file is not a readable zip file",
    ),
    "another version inside": Row(
        to="index",
        with_=PRIVATE,
        files=misnamed,
        exit_code=2,
        error="File name and metadata disagree about the version",
    ),
    "another version inside, unverified": Row(
        to="index",
        who="publisher",
        with_={**PRIVATE, "verify-metadata": False},
        files=misnamed,
        warnings=("File name and metadata disagree about the version",),
    ),
    "a member that RECORD lacks": Row(
        to="index", with_=PRIVATE, files=unlisted, exit_code=2, error="RECORD does not tell what is in the wheel"
    ),
    "a member that RECORD lacks, unverified": Row(
        to="index",
        who="publisher",
        with_={**PRIVATE, "verify_metadata": False},
        files=unlisted,
        warnings=("RECORD does not tell what is in the wheel", f"'verify_metadata' {DEPRECATED}"),
    ),
    "a bad description": Row(with_=TOKEN, files=unrenderable, exit_code=2, error="The description does not render"),
    "a bad description, unverified": Row(
        with_={**TOKEN, "verify-metadata": "False"}, files=unrenderable, warnings=("The description does not render",)
    ),
    "a bad description elsewhere": Row(
        to="index", who="publisher", with_=PRIVATE, files=unrenderable, warnings=("The description does not render",)
    ),
    # skip-existing
    "the same file again": Row(with_=TOKEN, files=again(same=True), outputs={"already-present": "1", "uploaded": "1"}),
    "the same file again elsewhere": Row(
        to="pypiserver",
        who="publisher",
        with_=PRIVATE,
        files=again(same=True),
        outputs={"already-present": "1", "uploaded": "1"},
    ),
    "other content": Row(with_=TOKEN, files=again(same=False), exit_code=2, error="Other content under this name"),
    "skip-existing": Row(
        with_={**TOKEN, "skip-existing": "true"},
        files=again(same=False),
        warnings=("Other content is left alone",),
        outputs={"skipped": "1", "uploaded": "1"},
    ),
    "skip_existing elsewhere": Row(
        to="pypiserver",
        who="publisher",
        with_={**PRIVATE, "skip_existing": True},
        files=again(same=False),
        warnings=("Other content is left alone", f"'skip_existing' {DEPRECATED}"),
        outputs={"skipped": "1", "uploaded": "1"},
    ),
    "skip-existing: no": Row(
        with_={**TOKEN, "skip-existing": "no"},
        files=again(same=False),
        exit_code=2,
        error="Other content under this name",
        notices=(READ_AS_FALSE,),
    ),
    # The others
    "neither verbose nor print-hash": Row(
        with_={**TOKEN, "verbose": False, "print-hash": False}, no_log=("Hashes", "POST https://")
    ),
    "print_hash": Row(
        with_={**TOKEN, "verbose": "false", "print_hash": "TRUE"},
        log=("Hashes",),
        no_log=("POST https://",),
        warnings=(f"'print_hash' {DEPRECATED}",),
    ),
    "empty booleans": Row(
        with_={**TOKEN, "verbose": "", "print-hash": "", "skip-existing": "", "verify-metadata": ""},
        log=("Hashes", "POST https://"),
    ),
    "no boolean": Row(
        with_={**TOKEN, "verify-metadata": "disabled"}, exit_code=2, error="Input `verify-metadata` is not usable"
    ),
}
"""What pypa/gh-action-pypi-publish documents, and what it does besides."""

UV = """\
[[tool.uv.index]]
name = "internal"
url = "{url}simple/"
publish-url = "{url}"
explicit = true
"""
ELSEWHERE = "https://index.example/upload/"
LEFTOVERS = {
    "TWINE_USERNAME": "__token__",
    "TWINE_PASSWORD": "${{ secrets.PYPI_TOKEN }}",
    "TWINE_REPOSITORY_URL": ELSEWHERE,
    "TWINE_NON_INTERACTIVE": "1",
    "UV_PUBLISH_TOKEN": "${{ secrets.PYPI_TOKEN }}",
    "UV_PUBLISH_URL": ELSEWHERE,
    "UV_PUBLISH_CHECK_URL": ELSEWHERE,
    "UV_PUBLISH_INDEX": "internal",
    "UV_INDEX_INTERNAL_USERNAME": "guido",
    "UV_INDEX_INTERNAL_PASSWORD": "${{ secrets.INDEX_PASSWORD }}",
}
"""What the steps of other tools were given."""

BROUGHT: Mapping[str, Row] = {
    "an index by its name for uv": Row(
        to="index",
        who="publisher",
        with_={"index": "internal", "user": "publisher", "password": "${{ secrets.INDEX_PASSWORD }}"},
        files=with_file("pyproject.toml", UV),
    ),
    "an index and a URL": Row(
        to="index",
        with_={**PRIVATE, "index": "internal"},
        files=with_file("pyproject.toml", UV),
        exit_code=2,
        error="Inputs `index` and `repository-url` exclude each other",
    ),
    "settings of uv": Row(
        with_=TOKEN,
        files=with_file(
            "pyproject.toml",
            f'[tool.uv]\npublish-url = "{ELSEWHERE}"\ncheck-url = "{ELSEWHERE}"\ntrusted-publishing = "always"\n'
            'keyring-provider = "subprocess"\n',
        ),
    ),
    "variables of uv and twine, and no input": Row(
        with_=UNSIGNED,
        env=LEFTOVERS,
        exit_code=2,
        error="No ID token: `id-token: write` is missing",
        notices=(NOT_READ,),
    ),
    "variables of uv and twine, and the inputs": Row(
        to="index", who="publisher", with_={**PRIVATE, "check-url": "${{ env.INDEX_URL }}simple/"}, env=LEFTOVERS
    ),
    "variables of uv and twine, and a publisher": Row(
        with_=UNSIGNED, may=True, who="publisher", env=LEFTOVERS, notices=(NOT_READ,)
    ),
    "a .pypirc": Row(
        with_=UNSIGNED,
        files=with_file(
            "../_temp/_github_home/.pypirc", "[pypi]\nusername = __token__\npassword = pypi-AgEIcHlwaS5v\n"
        ),
        exit_code=2,
        error="No ID token: `id-token: write` is missing",
    ),
    "a .netrc": Row(
        to="index",
        with_={"repository-url": "${{ env.INDEX_URL }}"},
        files=with_file("../_temp/_github_home/.netrc", "machine 127.0.0.1 login guido password swordfish\n"),
        exit_code=2,
        error="No credential for 127.0.0.1",
    ),
    "trusted-publishing: automatic": Row(
        with_={"trusted-publishing": "automatic"}, exit_code=2, error="Input `trusted-publishing` is not usable"
    ),
    "trusted-publishing: always, and a password": Row(
        with_={**TOKEN, "trusted-publishing": "always"},
        exit_code=2,
        error="Inputs `trusted-publishing: always` and `password` exclude each other",
    ),
    "a keyring in the container": Row(
        with_={**UNSIGNED, "trusted-publishing": "never", "keyring-provider": "subprocess"},
        env={"PATH": "/nonsense"},
        exit_code=2,
        error="There is no keyring program",
    ),
    "gcloud's token": Row(
        to="google",
        who="google",
        with_={
            "repository-url": "${{ env.INDEX_URL }}",
            "user": "oauth2accesstoken",
            "password": "${{ secrets.GOOGLE_TOKEN }}",
        },
    ),
    "a key as password": Row(
        to="google",
        who="google",
        with_={
            "repository-url": "${{ env.INDEX_URL }}",
            "user": "_json_key_base64",
            "password": "${{ secrets.GOOGLE_KEY_BASE64 }}",
        },
    ),
    "a key as input": Row(
        to="google",
        who="google",
        with_={"repository-url": "${{ env.INDEX_URL }}", "google-credentials-json": "${{ secrets.GOOGLE_KEY_BASE64 }}"},
    ),
    "a provider": Row(
        to="google",
        who="google",
        may=True,
        with_={"repository-url": "${{ env.INDEX_URL }}", "google-workload-identity-provider": "${{ env.PROVIDER }}"},
    ),
    "the same file again on Artifact Registry": Row(
        to="google",
        who="google",
        with_={"repository-url": "${{ env.INDEX_URL }}", "password": "${{ secrets.GOOGLE_TOKEN }}"},
        files=again(same=True),
        outputs={"already-present": "1", "uploaded": "1"},
    ),
    "skip-existing on Artifact Registry": Row(
        to="google",
        who="google",
        with_={
            "repository-url": "${{ env.INDEX_URL }}",
            "password": "${{ secrets.GOOGLE_TOKEN }}",
            "skip-existing": True,
        },
        files=again(same=False),
        warnings=("Other content is left alone",),
        outputs={"skipped": "1"},
    ),
    "no credential for Artifact Registry": Row(
        to="google",
        with_={"repository-url": "${{ env.INDEX_URL }}"},
        env=LEFTOVERS,
        exit_code=2,
        error="No credential for Artifact Registry",
        notices=(NOT_READ,),
    ),
}
"""What users of uv and of twine bring along."""

IN_THE_IMAGE = (
    "nothing but uses",
    "TestPyPI by a token",
    "packages_dir with a slash",
    "skip_existing elsewhere",
    "variables of uv and twine, and no input",
    "gcloud's token",
)


# Running them


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run one world for all rows: each has a project of its own."""
    with running_world(tmp_path_factory.mktemp("world")) as world:
        world.github.request_token = world.journal.secret(RUNTIME_TOKEN)
        yield world


@pytest.fixture(scope="module")
def secrets(world: World, pypiserver: PypiServer) -> dict[str, str]:
    """Give the secrets of the repository."""
    google = world.google
    return {
        "PYPI_TOKEN": world.pypi.api_token(),
        "TESTPYPI_TOKEN": world.testpypi.api_token(),
        "INDEX_PASSWORD": pypiserver.password,
        "GOOGLE_TOKEN": google.cloud.issue("a", [google.account.member], [SCOPE], 3600).token,
        "GOOGLE_KEY_BASE64": google.key_password(google.service_account_key()),
    }


SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@pytest.fixture
def native() -> Machine:
    """Give a mount namespace."""
    if reason := no_namespaces():
        pytest.skip(reason)
    return Native([sys.executable, "-I", "-u", "-X", "utf8", "-m", "entrypoint"])


Examine = Callable[[Row, Machine], None]


@pytest.fixture
def examine(
    world: World,
    scripted: StartIndex,
    pypiserver: PypiServer,
    secrets: Mapping[str, str],
    workspace: Path,
    project: str,
) -> Examine:
    """Return a function that runs a row, and compares everything that it promises with what became of it."""

    def examined(row: Row, machine: Machine) -> None:
        places = Places(world, scripted(reads=row.reads), pypiserver)
        for index in (world.pypi, world.testpypi):
            index.publishers.clear()
            index.trust(world.github, project)
        (workspace / "ca.pem").write_bytes(world.ca_file.read_bytes())
        made = row.files(workspace, project, places)
        before = places.uploads(row.to, project)

        id_token_url = world.github.job()["ACTIONS_ID_TOKEN_REQUEST_URL"] if row.may else None
        env = places.env(row.to) | dict(row.env)
        result = step(machine, workspace, row.with_, env, secrets=secrets, id_token_url=id_token_url)

        assert result.exit_code == row.exit_code, result.log
        _compare(row, result)
        after = places.uploads(row.to, project)
        expected = {} if row.exit_code else {path.name: row.who for path in made}
        assert {name: who for name, who in after.items() if name not in before} == expected
        for secret in (*world.journal.secrets, SECRET_IN_URL):
            assert not result.exposures(secret)

    return examined


def _compare(row: Row, result: StepResult) -> None:
    """Compare what is told with what was promised."""
    told = _told(result)
    _matched(told["warning"], row.warnings)
    _matched(told["error"], (row.error,) if row.error else ())
    assert row.says in "".join(told["error"])
    noticed = {title for title in TOLD for each in told["notice"] if each.startswith(f"{title}: ")}
    assert noticed == set(row.notices)
    assert row.outputs.items() <= dict(result.outputs).items()
    for text in row.log:
        assert text in result.log
    for text in row.no_log:
        assert text not in result.log


def _told(result: StepResult) -> dict[str, list[str]]:
    """Give what is shown, by level; not what is said of attestations, which is tested where they are made."""
    told: dict[str, list[str]] = {"error": [], "warning": [], "notice": []}
    for each in result.annotations:
        if "attestation" not in each.title.lower() and "goes on without attestations" not in each.message:
            told[each.level].append(f"{each.title}: {each.message}" if each.title else each.message)
    return told


def _matched(told: Sequence[str], expected: Sequence[str]) -> None:
    """Check that each text was expected, and that all that were expected came."""
    assert len(told) == len(expected), told
    for text in expected:
        assert [each for each in told if text in each], told


@pytest.mark.parametrize("row", MIGRATED.values(), ids=MIGRATED)
def test_migrated(row: Row, native: Machine, examine: Examine) -> None:
    """A workflow of pypa/gh-action-pypi-publish ends as promised, by its `uses:` line alone."""
    assert set(row.with_) <= PYPA
    examine(row, native)


@pytest.mark.parametrize("row", BROUGHT.values(), ids=BROUGHT)
def test_brought(row: Row, native: Machine, examine: Examine) -> None:
    """What users of uv and twine bring along is used, refused or left alone as promised."""
    examine(row, native)


@pytest.mark.image
@pytest.mark.parametrize("name", IN_THE_IMAGE)
def test_in_the_image(name: str, image: str, examine: Examine) -> None:
    """It is the same in the container."""
    examine({**MIGRATED, **BROUGHT}[name], Docker(image, network="host"))


def test_every_input() -> None:
    """Each input of that action is in a row that succeeds, and action.yml takes it."""
    green = {name for row in MIGRATED.values() if not row.exit_code for name in row.with_}
    assert green == PYPA
    assert set(yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]) >= PYPA


# The terminal


def test_at_a_terminal(scripted: StartIndex, tmp_path: Path) -> None:
    """The flags of inputs do what twine's and uv's did; nobody is asked for a password, and no command is printed."""
    index = scripted()
    wheel = make_wheel(tmp_path / "dist")
    command = [sys.executable, "-Im", "entrypoint", "--repository-url", index.url, "--user", "publisher"]

    def ran(environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--skip-existing", "dist/demo_pkg-1.0-py3-none-any.whl"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "TWINE_PASSWORD": "swordfish", **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert ran({}).returncode == 2
    assert not index.uploads
    finished = ran({"INPUT_PASSWORD": "correct horse"})
    assert finished.returncode == 0, finished.stdout
    assert [(each.content.filename, each.basic) for each in index.uploads] == [
        (wheel.name, ("publisher", "correct horse"))
    ]
    assert "::" not in finished.stdout


@pytest.mark.parametrize(
    "flags", [["--publish-url", "x"], ["-t", "x"], ["--token", "x"], ["-r", "pypi"], ["--username", "x"], ["-s"]]
)
def test_flags_of_others(flags: list[str]) -> None:
    """A flag of uv's or twine's that is the name of no input is refused, not ignored."""
    with pytest.raises(SystemExit) as caught:
        parse(flags)
    assert caught.value.code == 2


# The guide


class Line(NamedTuple):
    """A line of a table of the guide."""

    cells: tuple[str, ...]

    @property
    def code(self) -> set[str]:
        """Give what all but the last cell have in code."""
        return {text for cell in self.cells[:-1] for text in re.findall(r"`([^`]+)`", cell)}


def table(first: str) -> list[Line]:
    """Give the lines of the table whose first heading this is."""
    rows = [line.strip("|").split(" | ") for line in GUIDE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    cells = [Line(tuple(cell.strip(" |") for cell in row)) for row in rows]
    start = next(number for number, line in enumerate(cells) if line.cells[0] == first)
    ends = [number for number, row in enumerate(rows) if row[0].startswith("---")]
    end = next((number - 1 for number in ends if number > start + 1), len(cells))
    return cells[start + 2 : end]


def test_guide_has_every_input() -> None:
    """The table of inputs has those of that action, in both spellings, and no others."""
    found = {name for line in table("input") for name in re.findall(r"`([^`]+)`", line.cells[0])}
    assert found == PYPA
    assert set(ALIASES) < found


@pytest.mark.parametrize(("first", "prefix"), [("flag", "UV_"), ("`twine upload`", "TWINE_")])
def test_guide_has_every_variable(first: str, prefix: str) -> None:
    """Each variable that a notice names is in a table, beside the input that the notice names."""
    there = {variable: line.cells[-1] for line in table(first) for variable in line.code}
    for variable, name in FOREIGN.items():
        if variable.startswith(prefix):
            assert f"`{name}" in there[variable]


@pytest.mark.parametrize("first", ["flag", "`twine upload`"])
def test_guide_leads_to_inputs(first: str) -> None:
    """What stands for a flag is an input, with a value that it takes; or it is said that there is none."""
    lines = table(first)
    assert len(lines) > 12
    for line in lines:
        said = line.cells[-1]
        if not said.startswith("none"):
            name, _, value = re.findall(r"`([^`]+)`", said)[0].partition(": ")
            assert name in INPUTS, said
            assert Inputs.read({f"INPUT_{name.upper()}": value}) is not None


def test_guide_tells_what_turns_red() -> None:
    """Each title in the list is that of a row which ends so, and nothing was sent in it."""
    red = {row.error.replace("`", ""): row for row in (*MIGRATED.values(), *BROUGHT.values()) if row.error}
    told = [title for line in table("what") for title in re.findall(r"`([^`]+)`", line.cells[1])]
    assert len(told) >= 10
    assert [title for title in told if title not in red] == []
    assert {red[title].exit_code for title in told} == {2}


def test_guide_tells_every_rule() -> None:
    """The rules that are errors on every index are those of docs/preflight.md."""
    text = (ROOT / "docs" / "preflight.md").read_text(encoding="utf-8").partition("## What the index has")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \|.*?\| \w+ \| error \|", text, re.MULTILINE)
    (line,) = (each for each in table("what") if "what else" in each.cells[0])
    told = set(re.findall(r"`([a-z-]+)`", line.cells[0])) | {"name", "version", "record"}
    assert told == set(rows)


def halves(text: str) -> tuple[str, str]:
    """Give what a block says before and after."""
    lines = text.splitlines(keepends=True)
    return (
        "".join(line[1:] for line in lines if not line.startswith("+")),
        "".join(line[1:] for line in lines if not line.startswith("-")),
    )


@pytest.mark.parametrize("text", blocks(GUIDE, "diff"))
def test_examples(text: str) -> None:
    """Both sides of an example are YAML, the new one gives this action what it takes, and pins the others."""
    before, after = halves(text)
    assert yaml.safe_load(before) != yaml.safe_load(after)
    assert "publish-action@v1" not in before
    assert "publish-action@v1" in after
    assert list(faults(after)) == []


def test_only_uses_changes() -> None:
    """The first example changes one line, and that is `uses:`."""
    changed = [line for line in blocks(GUIDE, "diff")[0].splitlines() if line[0] in "+-"]
    assert [line.split()[1:3] for line in changed] == [["-", "uses:"], ["-", "uses:"]]


def test_commands() -> None:
    """Each command of the guide is one that the program reads, with inputs that it takes."""
    lines = [line for text in blocks(GUIDE, "sh") for line in text.splitlines() if line.startswith("publish-action ")]
    assert len(lines) >= 3
    for line in lines:
        assert Inputs.read({}, parse(shlex.split(line)[1:])).packages_dir == ("dist/*",)


def test_quoted_titles() -> None:
    """Titles that the guide quotes outside its tables are those of rows."""
    text = GUIDE.read_text(encoding="utf-8")
    titles = {row.error for row in (*MIGRATED.values(), *BROUGHT.values())}
    for title in ("The index may not be read", "Nothing at 'wheelhouse'"):
        assert f": `{title}`" in text
        assert title in titles
