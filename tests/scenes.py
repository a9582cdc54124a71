"""Real runs whose look matters: how many files, and how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from tests.distributions import make_sdist, make_wheel
from tests.line import Run, publish
from tests.peers.played import PARTS, Played
from tests.peers.scripted import Answer, Request, json_answer, scripted_index

Kind = Literal["good", "conflict", "refused"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NUMBERS = (1, 12, 200)
"""Files."""
OF_ONE_RELEASE = 20
"""Files of a release, where there are more than a dozen."""
SYSTEMS = ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "macosx_11_0_arm64", "win_amd64")
PYTHONS = ("cp311", "cp312", "cp313", "cp314", "cp315")
REFUSAL = "400 Project size too large. Limit for project '{}' total size is 10 GB. See https://pypi.org/help/ for more."
NAMES = ("sampleproject", "amber", "basalt", "cinder", "dolomite", "ember", "flint", "gneiss", "harbor", "iris")


def made(folder: Path, number: int) -> list[Path]:
    """Make so many distributions, as they come out of a matrix of builds."""
    if number == 1:
        return [make_wheel(folder, NAMES[0], "4.0.0", filler=48_000)]
    files: list[Path] = []
    tags = [f"{python}-{python}-{system}" for system in SYSTEMS for python in PYTHONS]
    for name in NAMES:
        if len(files) < number:
            many = min(number - len(files), OF_ONE_RELEASE)
            wheels = enumerate(tags[: many - 1])
            files += [make_wheel(folder, name, "4.0.0", tag=tag, filler=60_000 + 4_000 * at) for at, tag in wheels]
            files.append(make_sdist(folder, name, "4.0.0", filler=31_000))
    return files


@contextmanager
def pypi(kind: Kind, files: list[Path], delay: float = 0.0) -> Iterator[Played]:
    """Play PyPI: it takes all files, or has one of them with other content, or refuses every other one.

    `delay`: seconds that an upload takes.
    """
    refused = {path.name for path in files[:: 2 if len(files) > 1 else 1]}

    def upload(request: Request) -> Answer:
        name = request.content.filename
        if kind == "refused" and name in refused:
            said = REFUSAL.format(name.partition("-")[0])
            answer = json_answer({"message": "", "code": said, "title": "Bad Request"}, 400)
        else:
            answer = played.takes(request)
        return replace(answer, delay=delay)

    def shown(request: Request) -> Answer:
        return played.shows(request)

    with scripted_index(upload, reads=shown) as served:
        played = Played(PARTS[0], served)
        played.contents = {hashlib.sha256(content).hexdigest(): content for content in map(Path.read_bytes, files)}
        if kind == "conflict":
            played.files = {files[0].name: b"other content"}
        yield played


def run(kind: Kind, number: int, folder: Path, *, delay: float = 0.0) -> Run:
    """Publish so many files to an index that does so."""
    files = made(folder / "w" / "dist", number)
    with pypi(kind, files, delay) as played:
        inputs = {"password": played.inputs["password"], "attestations": "false"}
        return publish(folder / "w", inputs, transport=played.transport)
