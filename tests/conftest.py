"""Fixtures: an environment that nothing leaks into, servers on loopback, and the eyes of an installer."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from ssl import SSLContext
from typing import Protocol

import pytest

from tests.ecosystem import UnreachableError, ecosystem
from tests.peers.devpi import Devpi, running_devpi
from tests.peers.pip import download_like
from tests.peers.pypiserver import PypiServer, running_pypiserver
from tests.peers.scripted import Answer, Script, ScriptedIndex, scripted_index
from tests.peers.tls import Authority, authority

# What the program, httpx, pip and uv read, and what a GitHub runner or a developer's machine may have set.
LEAKY_PREFIXES = (
    "INPUT_",
    "GITHUB_",
    "RUNNER_",
    "ACTIONS_",
    "GOOGLE_",
    "CLOUDSDK_",
    "TWINE_",
    "UV_",
    "PIP_",
    "SSL_CERT_",
    "SIGSTORE_",
)
LEAKY_NAMES = {
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSLKEYLOGFILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "FORCE_COLOR",
    "NO_COLOR",
    "CI",
}


def leaks(name: str) -> bool:
    """Say whether a variable of this name may change what a test does; proxies are known in both cases."""
    return name.startswith(LEAKY_PREFIXES) or name.upper() in LEAKY_NAMES


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test without anything of the machine's that the program would read."""
    for name in [name for name in os.environ if leaks(name)]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def pypiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PypiServer]:
    """Run one pypiserver for all tests of a worker: use a project name of your own."""
    with running_pypiserver(tmp_path_factory.mktemp("pypiserver")) as server:
        yield server


@pytest.fixture(scope="session")
def devpi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devpi]:
    """Run one devpi-server for all tests of a worker: use a project name of your own."""
    with running_devpi(tmp_path_factory.mktemp("devpi")) as server:
        yield server


@pytest.fixture
def project() -> str:
    """Return a project name that no other test uses, for indexes that live longer than a test."""
    return f"demo-{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make one certificate authority for all tests of a worker."""
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def released() -> Callable[[str], Path]:
    """Return a function that gives a file of the ecosystem by its name; a test is skipped where it cannot be had."""

    def path(filename: str) -> Path:
        try:
            return ecosystem()[filename]
        except UnreachableError as error:
            pytest.skip(f"PyPI cannot be reached: {str(error).strip().splitlines()[-1]}")

    return path


class StartIndex(Protocol):
    """Starts a scripted index, which ends with the test."""

    def __call__(
        self, answer: Script | Answer = ..., *, reads: Script | Answer | None = ..., https: SSLContext | None = ...
    ) -> ScriptedIndex:
        """Start it; it answers 200 to uploads and 404 to reads when nothing else is asked for.

        With `reads=None` reads are requests like all others.
        """


@pytest.fixture
def scripted() -> Iterator[StartIndex]:
    """Return a function that starts a scripted index, from a script or from the one answer it always gives."""
    with contextlib.ExitStack() as stack:

        def start(
            answer: Script | Answer = Answer(),  # noqa: B008 - frozen
            *,
            reads: Script | Answer | None = Answer(404),  # noqa: B008 - frozen
            https: SSLContext | None = None,
        ) -> ScriptedIndex:
            reading = None if reads is None else _script(reads)
            return stack.enter_context(scripted_index(_script(answer), reads=reading, https=https))

        yield start


def _script(answer: Script | Answer) -> Script:
    return (lambda _: answer) if isinstance(answer, Answer) else answer


Published = Callable[..., list[Path]]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    """Return a function that downloads distributions with pip and compares them, byte for byte, with the local ones."""

    def check(simple_url: str, *paths: Path, ca_file: Path | None = None) -> list[Path]:
        found = []
        for number, path in enumerate(paths):
            file = download_like(simple_url, path, tmp_path / "pip" / f"{number}-{path.name}", ca_file=ca_file)
            assert _sha256(file) == _sha256(path), f"{simple_url} has other content under the name {path.name}"
            found.append(file)
        return found

    return check


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
