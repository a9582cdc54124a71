"""Large files: what is worked out beside other work, and what is not worked out at all."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.archive import read
from entrypoint.archive.rules import OBFUSCATED, UNREADABLE
from entrypoint.archive.wheels import ALONE
from entrypoint.archive.zips import Place
from entrypoint.distribution import LARGE
from tests.conftest import StartIndex
from tests.distributions import make_wheel
from tests.line import Run, publish
from tests.peers.scripted import Answer, ScriptedIndex, in_turn, json_page
from tests.plans import PYPI


def published(folder: Path, index: ScriptedIndex, **inputs: str) -> Run:
    """Publish `dist` to an index that is read before."""
    given = {"repository-url": index.url, "check-url": f"{index.url}simple/", "user": "me", "password": "secret"}
    return publish(folder, given | {name.replace("_", "-"): text for name, text in inputs.items()})


def damaged_wheel(folder: Path) -> Path:
    """Make a large wheel with a member that is not what its checksum and RECORD say."""
    wheel = make_wheel(folder, filler=LARGE)
    with wheel.open("r+b") as file:
        file.seek(LARGE // 2)
        file.write(b"damage")
    return wheel


def blake2b(path: Path) -> str:
    """Give BLAKE2b-256 of a file."""
    return hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest()


def page(wheel: Path, sha256: str) -> Answer:
    """Give the page of the project, with one file of this hash."""
    return json_page("demo-pkg", {"filename": wheel.name, "url": f"/{wheel.name}", "hashes": {"sha256": sha256}})


def record(ours: Run) -> Any:
    """Give the record of the one file, which the outputs hold too."""
    (file,) = ours.report["files"]
    assert json.loads(ours.outputs["files"]) == [file]
    return file


def test_the_digest_follows_the_file(scripted: StartIndex, tmp_path: Path) -> None:
    """BLAKE2b of a large file is the last part of the form, after a fault too, and is told at the end."""
    wheel = make_wheel(tmp_path / "w" / "dist", filler=LARGE)
    index = scripted(in_turn(Answer(cut="mid-body"), Answer(503), Answer()))
    ours = published(tmp_path / "w", index)
    assert ours.states == {wheel.name: "uploaded"}
    assert [each.fields[-1] for each in index.uploads] == [("blake2_256_digest", blake2b(wheel))] * 2
    assert index.violations[1:] == []  # the first one was cut short
    assert record(ours)["blake2b_256"] == blake2b(wheel)
    assert f"blake2b-256  {blake2b(wheel)}" in ours.raw


def test_the_digest_of_a_small_file_comes_before(scripted: StartIndex, tmp_path: Path) -> None:
    """A small file is the last part of its form."""
    wheel = make_wheel(tmp_path / "w" / "dist")
    index = scripted()
    published(tmp_path / "w", index)
    assert index.violations == []
    assert index.uploads[0].fields[-1] == ("blake2_256_digest", blake2b(wheel))


def test_a_dry_run_tells_all_hashes(scripted: StartIndex, tmp_path: Path) -> None:
    """A dry run works out what an upload would have."""
    wheel = make_wheel(tmp_path / "w" / "dist", filler=LARGE)
    ours = published(tmp_path / "w", scripted(), dry_run="true")
    assert ours.states == {wheel.name: "planned"}
    assert record(ours)["blake2b_256"] == blake2b(wheel)
    assert f"blake2b-256  {blake2b(wheel)}" in ours.raw


def test_what_is_there_is_not_unpacked(scripted: StartIndex, tmp_path: Path) -> None:
    """A large wheel that the index has with its hash is not held up by what nobody can mend; its hash is all it takes.

    Its BLAKE2b is not worked out, for nothing is sent.
    """
    wheel = damaged_wheel(tmp_path / "w" / "dist")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    ours = published(tmp_path / "w", scripted(reads=page(wheel, sha256)))
    assert ours.status == 0
    assert ours.states == {wheel.name: "already-present"}
    assert (record(ours)["sha256"], record(ours)["blake2b_256"]) == (sha256, None)
    assert f"sha256       {sha256}" in ours.raw
    assert "blake2b-256" not in ours.raw


@pytest.mark.parametrize("reads", [Answer(404), None], ids=["absent", "other content"])
def test_what_is_not_there_is_unpacked(reads: Answer | None, scripted: StartIndex, tmp_path: Path) -> None:
    """A large wheel that the index does not have, or has otherwise, is looked through before anything is sent."""
    wheel = damaged_wheel(tmp_path / "w" / "dist")
    index = scripted(reads=reads or page(wheel, "a" * 64))
    ours = published(tmp_path / "w", index)
    assert ours.status == 2
    assert any("checksum" in message for message in ours.messages("error"))
    assert index.requests == []


def test_an_index_that_cannot_be_read(scripted: StartIndex, tmp_path: Path) -> None:
    """Where the index does not tell, a large wheel is looked through, and both problems are told."""
    damaged_wheel(tmp_path / "w" / "dist")
    ours = published(tmp_path / "w", scripted(reads=Answer(403)))
    assert ours.status == 2
    assert any("checksum" in message for message in ours.messages("error"))
    assert any("403" in message for message in ours.messages("error"))


def test_a_large_file_that_vanishes(scripted: StartIndex, tmp_path: Path) -> None:
    """A file that is gone when it is to be sent is an error of its own, without a traceback."""
    wheel = make_wheel(tmp_path / "w" / "dist", filler=LARGE)

    def away(_: object) -> Answer:
        wheel.unlink()
        return Answer(404)

    ours = published(tmp_path / "w", scripted(reads=away))
    assert ours.states == {wheel.name: "failed"}
    (message,) = ours.messages("error")
    assert "No such file or directory" in message


def test_members_are_read_side_by_side(tmp_path: Path) -> None:
    """Of long members in a file on disk the same is told, in the same order, as of those of a file in memory."""
    extra = {f"demo_pkg/{number}.bin": bytes([number]) * (ALONE + number) for number in range(6)}
    extra |= {"demo_pkg/long.py": b"# __pyarmor_enter__\n" + b"#" * ALONE}
    wheel = make_wheel(tmp_path, extra=extra)
    with zipfile.ZipFile(wheel) as archive:
        for info in (archive.getinfo(f"demo_pkg/{number}.bin") for number in (4, 2)):
            replaced(wheel, info.header_offset + 30 + len(info.filename) + info.compress_size // 2)
        members = [info.filename for info in archive.infolist()]
    data = wheel.read_bytes()
    with wheel.open("rb") as file:
        beside = read(file, len(data), wheel.name, PYPI)
    alone = read(io.BytesIO(data), len(data), wheel.name, PYPI)
    assert beside == alone
    assert list(beside.names) == members
    (damaged,) = [note.detail for note in beside.notes if note.rule == UNREADABLE.name]
    assert damaged.index("demo_pkg/2.bin") < damaged.index("demo_pkg/4.bin")
    assert any("demo_pkg/long.py" in note.detail for note in beside.notes if note.rule == OBFUSCATED.name)


def replaced(path: Path, at: int) -> None:
    """Change a byte of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        (before,) = file.read(1)
        file.seek(at)
        file.write(bytes([before ^ 0xFF]))


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 70), st.integers(0, 30), st.booleans()), max_size=9))
def test_a_place_in_a_file(content: bytes, moves: list[tuple[int, int, bool]]) -> None:
    """A place goes and reads like the file itself, and moves nobody else's."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        place, like = Place(file), io.BytesIO(content)
        for offset, length, onwards in moves:
            whence = io.SEEK_CUR if onwards else io.SEEK_SET
            assert place.seek(offset, whence) == like.seek(offset, whence)
            assert place.read(length) == like.read(length)
        assert file.tell() == len(content)
