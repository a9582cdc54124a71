"""`python -m bench.faults`: what becomes of the same release when something goes wrong, with each client.

Three wheels, or what a case makes of them, are published to an index that is told what to do wrong. Printed is a table:
how each client ended, which files the index has then, and how many uploads it was sent. docs/comparison.md shows it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.clients import CACHE, PASSWORD, USER, install_rivals
from tests.distributions import corrupted, make_wheel
from tests.peers.scripted import Answer, Request, json_page, scripted_index

PATIENCE = 120
"""Seconds after which a client is stopped."""

SECOND = 2
"""Which upload goes wrong, where one does."""


@dataclass(slots=True)
class Index:
    """An index that keeps what it is sent, takes no name twice, and does one thing wrong."""

    wrong: Callable[[Index, Request], Answer | None] = lambda _, __: None
    """Answers an upload instead of the index, or not."""
    refuses_reads: bool = False
    stored: dict[str, str] = field(default_factory=dict)
    """File name → sha256."""
    uploads: int = 0

    def upload(self, request: Request) -> Answer:
        """Take an upload."""
        self.uploads += 1
        if answer := self.wrong(self, request):
            return answer
        if request.content.filename in self.stored:
            return Answer(409, body=b"File already exists")
        return self.keep(request)

    def keep(self, request: Request) -> Answer:
        """Store a file."""
        self.stored[request.content.filename] = request.content.sha256
        return Answer(200)

    def read(self, request: Request) -> Answer:
        """Show the page of the project."""
        if self.refuses_reads:
            return Answer(401)
        if not self.stored:
            return Answer(404)
        files = [{"filename": name, "url": name, "hashes": {"sha256": value}} for name, value in self.stored.items()]
        return json_page(request.target.strip("/").rpartition("/")[2], *files)


@dataclass(frozen=True, slots=True)
class Case:
    """Something that goes wrong."""

    name: str
    index: Callable[[list[Path]], Index] = lambda _: Index()
    spoil: Callable[[list[Path]], object] = lambda _: None
    """Does something to the wheels, in the order of their names."""


def _refused(index: Index, _: Request) -> Answer | None:
    return Answer(400, body=b"no") if index.uploads == SECOND else None


def _unavailable(index: Index, _: Request) -> Answer | None:
    return Answer(503) if index.uploads == SECOND else None


def _lost(index: Index, request: Request) -> Answer | None:
    if index.uploads != SECOND:
        return None
    index.keep(request)
    return Answer(cut="after-body")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _beside(wheels: list[Path]) -> None:
    (wheels[0].parent / "SHA256SUMS").write_text("not a distribution\n", encoding="utf-8")


CASES = (
    Case("nothing goes wrong"),
    Case("the second file is refused (400)", lambda _: Index(_refused)),
    Case("the second upload meets a 503", lambda _: Index(_unavailable)),
    Case("the second file is stored, and the answer is lost", lambda _: Index(_lost)),
    Case("the last wheel is damaged", spoil=lambda wheels: corrupted(wheels[-1])),
    Case("a file of checksums lies beside the wheels", spoil=_beside),
    Case("all three are there already", lambda wheels: Index(stored={each.name: _sha256(each) for each in wheels})),
    Case("the last one is there with other content", lambda wheels: Index(stored={wheels[-1].name: "0" * 64})),
    Case("the index may not be read (401)", lambda _: Index(refuses_reads=True)),
)


def commands(rivals: Path, folder: Path, url: str) -> Iterator[tuple[str, Sequence[str], Mapping[str, str]]]:
    """Give name, command and variables of each client."""
    simple = f"{url}simple/"
    inputs = {"repository-url": url, "check-url": simple, "user": USER, "password": PASSWORD}
    variables = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
    yield "publish-action", [sys.executable, "-Im", "entrypoint"], variables | {"GITHUB_WORKSPACE": str(folder)}
    login = ["--username", USER, "--password", PASSWORD]
    files = sorted(str(path) for path in (folder / "dist").iterdir())
    quiet = ["--non-interactive", "--disable-progress-bar"]
    yield "twine", [str(rivals / "twine"), "upload", *quiet, *login, "--repository-url", url, *files], {}
    to = ["--no-config", "--trusted-publishing", "never", *login, "--publish-url", url]
    yield "uv --check-url", [str(rivals / "uv"), "publish", *to, "--check-url", simple, *files], {}


@dataclass(frozen=True, slots=True)
class Played:
    """How a client ended, and what the index has then."""

    client: str
    status: int
    stored: int
    uploads: int
    said: str

    def row(self, case: str) -> str:
        """Give the row of the table."""
        return f"| {case} | {self.client} | {self.status} | {self.stored} | {self.uploads} |"


def play(case: Case, position: int, rivals: Path) -> Played:
    """Let one client publish, once: this program, twine or uv."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheels = [make_wheel(folder / "dist", "demo", tag=f"cp3{minor}-none-any") for minor in (11, 12, 13)]
        index = case.index(wheels)
        case.spoil(wheels)
        with scripted_index(index.upload, reads=index.read) as running:
            client, command, variables = list(commands(rivals, folder, running.url))[position]
            environ = {"HOME": str(CACHE), "PATH": os.defpath, "LANG": "C.UTF-8", "UV_CACHE_DIR": str(CACHE / "uv")}
            done = subprocess.run(
                command,
                env=environ | dict(variables),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
            )
    said = done.stdout.decode(errors="replace")
    return Played(client, done.returncode, len(index.stored), index.uploads, said)


HEAD = "| what goes wrong | client | exit status | wheels on the index | uploads begun |\n|---|---|---|---|---|\n"


def main() -> None:
    """Play every case to every client, and print the table; what clients say goes to standard error."""
    rivals = install_rivals()
    sys.stdout.write(HEAD)
    for case in CASES:
        for position in range(3):
            played = play(case, position, rivals)
            sys.stdout.write(f"{played.row('' if position else case.name)}\n")
            sys.stdout.flush()
            sys.stderr.write(f"== {case.name}: {played.client}\n{played.said}\n")


if __name__ == "__main__":
    main()
