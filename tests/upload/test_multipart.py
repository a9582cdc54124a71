"""The upload's body, read back by the standard library."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.distribution import BLOCK
from entrypoint.errors import DistributionError
from entrypoint.upload.multipart import TOGETHER, Due, Multipart

NAMES = st.from_regex(r":?[a-z0-9_]{1,12}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def parts(body: Multipart) -> list[tuple[str | None, str | None, str, bytes]]:
    """Read a body back: name, file name, content type and content of each part, by RFC 7578."""
    data = b"".join(body)
    assert int(body.headers["Content-Length"]) == len(data)
    boundary = body.headers["Content-Type"].partition("boundary=")[2].encode()
    assert data.endswith(b"\r\n--" + boundary + b"--\r\n")
    found = []
    for part in (b"\r\n" + data).split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesParser(policy=HTTP).parsebytes(head)
        disposition = headers["Content-Disposition"]
        assert disposition.content_disposition == "form-data"
        params = disposition.params
        found.append((params.get("name"), params.get("filename"), headers["Content-Type"] or "", content))
    return found


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.binary(max_size=200))
def test_round_trip(tmp_path: Path, fields: list[tuple[str, str]], content: bytes) -> None:
    """Fields come back in order and to the byte, and then the file, whatever they hold."""
    path = tmp_path / "demo-1.0.tar.gz"
    path.write_bytes(content)
    body = Multipart(fields, path, len(content))
    *texts, file = parts(body)
    assert [(name, text.decode()) for name, _, _, text in texts] == fields
    assert all(filename is None and not kind for _, filename, kind, _ in texts)
    assert file == ("content", "demo-1.0.tar.gz", "application/octet-stream", content)


@pytest.mark.parametrize("size", [10, TOGETHER + 1])
def test_a_field_that_is_due_later(size: int, tmp_path: Path) -> None:
    """A field whose length alone is known at first follows the file, and is asked for when that has left."""
    path = tmp_path / "a.whl"
    path.write_bytes(b"x" * size)
    left: list[int] = []

    def value() -> str:
        assert left[-1] == size
        return "abc"

    body = Multipart([("a", "b")], path, size, left.append, Due("digest", 3, value))
    for _ in range(2):
        assert parts(body) == [
            ("a", None, "", b"b"),
            ("content", "a.whl", "application/octet-stream", b"x" * size),
            ("digest", None, "", b"abc"),
        ]


def test_every_iteration_is_fresh(tmp_path: Path) -> None:
    """A body can be sent again: the second reading is the first one's equal."""
    path = tmp_path / "a.whl"
    path.write_bytes(b"x" * 10)
    body = Multipart([("a", "b")], path, 10)
    assert list(body) == list(body)


def test_blocks(tmp_path: Path) -> None:
    """A file comes in blocks of a mebibyte at most; more of it is never in memory."""
    path = tmp_path / "a.whl"
    path.write_bytes(b"x" * (3 * BLOCK + 1))
    sizes = [len(block) for block in Multipart([], path, 3 * BLOCK + 1)]
    assert sizes[1:-1] == [BLOCK, BLOCK, BLOCK, 1]


@pytest.mark.parametrize(("size", "pieces"), [(0, 1), (TOGETHER, 1), (TOGETHER + 1, 3)])
def test_a_small_file_goes_in_one_piece(size: int, pieces: int, tmp_path: Path) -> None:
    """Form and file leave in one write where that takes little memory."""
    path = tmp_path / "a.whl"
    path.write_bytes(b"x" * size)
    assert len(list(Multipart([("a", "b")], path, size))) == pieces


@pytest.mark.parametrize("size", [10, TOGETHER + 1])
@pytest.mark.parametrize("change", [-10, -1, 1, 2 * BLOCK])
def test_a_file_that_changed(size: int, change: int, tmp_path: Path) -> None:
    """A file of another length than before is never sent whole: neither too little nor too much is announced."""
    path = tmp_path / "a.whl"
    path.write_bytes(b"x" * (size + change))
    body = Multipart([], path, size)
    sent: list[int] = []
    with pytest.raises(DistributionError, match="changed while"):
        sent.extend(map(len, body))
    assert sum(sent) < int(body.headers["Content-Length"])


def test_odd_file_names(tmp_path: Path) -> None:
    """Quotes and line ends in a file name do not end the header."""
    path = tmp_path / 'a"\r\nX: y.whl'
    path.write_bytes(b"")
    ((name, filename, _, _),) = parts(Multipart([], path, 0))
    assert (name, filename) == ("content", "a%22%0D%0AX: y.whl")
