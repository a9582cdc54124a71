"""What a run does without: modules, requests and reads. Nothing is timed here; `make bench` does that."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entrypoint.distribution import LARGE
from tests.conftest import StartIndex
from tests.distributions import make_sdist, make_wheel
from tests.line import environment
from tests.peers.scripted import Answer, ScriptedIndex, json_page

UNNEEDED = frozenset(
    {
        "annotated_types",
        "argparse",
        "asyncio",
        "concurrent",
        "cryptography",
        "docutils",
        "email_validator",
        "entrypoint.pages",
        "entrypoint.credentials.google",
        "entrypoint.credentials.trusted_publishing",
        "google",
        "html.parser",
        "id",
        "multiprocessing",
        "nh3",
        "pydantic",
        "pydantic_core",
        "pypi_attestations",
        "readme_renderer",
        "sigstore",
        "tarfile",
        "tomllib",
        "trove_classifiers",
        "typing_extensions",
        "typing_inspection",
    }
)
"""Modules that cost milliseconds at least, and that a wheel with a token does not need. `rich` and `click` are for
httpx to import, where they are: in the development environment, not in the image."""

OBSERVED = """
import collections, json, os, sys

opened = collections.Counter()
sys.addaudithook(lambda event, given: event == "open" and opened.update([str(given[0])]))

def leave(status):
    print(json.dumps({"status": status, "modules": sorted(sys.modules), "opened": opened}), file=sys.stderr)
    sys.stderr.flush()
    end(status)

end, os._exit = os._exit, leave
import entrypoint.__main__
entrypoint.__main__.main()
"""
"""Runs the program and tells, at its end, what it imported and opened."""


@dataclass(frozen=True)
class Observed:
    """What a run in a process of its own needed."""

    modules: frozenset[str]
    opened: Mapping[str, int]
    """Base name → how often files of that name were opened."""


def observed(index: ScriptedIndex, tmp_path: Path) -> Observed:
    """Publish what is in `dist`."""
    (tmp_path / "temp").mkdir()
    inputs = {
        "repository-url": index.url,
        "check-url": f"{index.url}simple/",
        "user": "me",
        "password": "secret",
    }
    finished = subprocess.run(
        [sys.executable, "-Ic", OBSERVED],
        env=environment(tmp_path, tmp_path / "temp", inputs),
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    seen = json.loads(finished.stderr)
    assert seen["status"] == 0, finished.stdout
    opened: Counter[str] = Counter()
    for path, times in seen["opened"].items():
        opened[Path(path).name] += times
    return Observed(frozenset(seen["modules"]), opened)


def test_a_wheel_needs_few_modules(scripted: StartIndex, tmp_path: Path) -> None:
    """A wheel is checked and published without what only other files, pages and credentials need."""
    make_wheel(tmp_path / "dist")
    assert observed(scripted(reads=json_page("demo-pkg")), tmp_path).modules & UNNEEDED == frozenset()


def test_what_is_needed_is_imported(scripted: StartIndex, tmp_path: Path) -> None:
    """An sdist and a large file bring in what they need, and nothing else; so the test above can fail."""
    make_sdist(tmp_path / "dist", filler=LARGE)
    assert observed(scripted(), tmp_path).modules & UNNEEDED == {"tarfile"}


def test_a_page_of_html_needs_a_parser(scripted: StartIndex, tmp_path: Path) -> None:
    """An index that answers in HTML brings in what reads it, and nothing else."""
    make_wheel(tmp_path / "dist")
    page = Answer(headers={"Content-Type": "text/html"}, body=b"<title>Links for demo-pkg</title>")
    assert observed(scripted(reads=page), tmp_path).modules & UNNEEDED == {"entrypoint.pages", "html.parser"}


def test_reads_of_a_large_file(scripted: StartIndex, tmp_path: Path) -> None:
    """A large file is opened for two hashes, its members and to be sent; one that is there for a hash and METADATA."""
    wheel = make_wheel(tmp_path / "dist", filler=LARGE)
    assert observed(scripted(), tmp_path).opened[wheel.name] == 4
    (tmp_path / "temp").rename(tmp_path / "first")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    there = {"filename": wheel.name, "url": f"/{wheel.name}", "hashes": {"sha256": sha256}}
    assert observed(scripted(reads=json_page("demo-pkg", there)), tmp_path).opened[wheel.name] == 2


def test_requests_and_reads(scripted: StartIndex, tmp_path: Path) -> None:
    """The index is asked once for each project; each file is sent once, and opened only to be checked and sent."""
    wheels = [make_wheel(tmp_path / "dist", name, tag=f"py{n}-none-any") for name in "ab" for n in (2, 3)]
    index = scripted()
    seen = observed(index, tmp_path)
    assert sorted(read.target for read in index.reads) == ["/simple/a/", "/simple/b/"]
    assert sorted(each.content.filename for each in index.requests) == [wheel.name for wheel in wheels]
    assert {wheel.name: seen.opened[wheel.name] for wheel in wheels} == {wheel.name: 2 for wheel in wheels}
