"""Core metadata: parsed verbatim, judged by packaging."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrypoint.errors import DistributionError
from entrypoint.metadata import CoreMetadata, parse

HEAD = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"


def levels(data: bytes) -> list[tuple[str, str]]:
    """Give level and title of what is noted about metadata."""
    return [(note.level, note.title) for note in parse(data)[1]]


def test_verbatim() -> None:
    """Fields keep their text: folded lines, Unicode, order and repetitions."""
    data = HEAD + "License: one\n        two\nAuthor: 日本 🎉\nClassifier: b\nClassifier: a\n".encode()
    fields = parse(data)[0].fields
    assert fields["license"] == ("one\n        two",)
    assert fields["author"] == ("日本 🎉",)
    assert fields["classifier"] == ("b", "a")


@pytest.mark.parametrize("body", ["# Title\n\ntext\n", "a\r\nb\r\n", "🎉\n", "Name: not a field\n"])
def test_description(body: str) -> None:
    """The body is the description, byte for byte."""
    assert parse(HEAD + b"\n" + body.encode())[0].description == body


def test_brackets_without_end() -> None:
    """Brackets that nest deeper than any parser follows are a problem of the file, and no traceback."""
    assert levels(HEAD + b"Requires-Dist: a; " + b"(" * 5000) == [("error", "The metadata is not valid")]


@pytest.mark.parametrize("fold", ["       |", "        "], ids=["core metadata", "setuptools"])
def test_description_in_a_header(fold: str) -> None:
    """A description in a header is unfolded ("any CRLF has to be suffixed by 7 spaces followed by a pipe char")."""
    text = "Title\n=====\n\n  indented\n| a | b |"
    assert parse(HEAD + f"Description: {text}".replace("\n", f"\n{fold}").encode())[0].description == text


@pytest.mark.parametrize(
    ("text", "level", "title"),
    [
        (b"Metadata-Version: 9.9\nName: demo\nVersion: 1.0\n", "warning", "Metadata newer than this program"),
        (b"Metadata-Version: 2.10\nName: demo\nVersion: 1.0\n", "warning", "Metadata newer than this program"),
        (b"Metadata-Version: 2.0\nName: demo\nVersion: 1.0\n", "error", "The metadata is not valid"),
        (b"Metadata-Version: two\nName: demo\nVersion: 1.0\n", "error", "The metadata is not valid"),
        (HEAD + b"Sbom-File: x\n", "warning", "Unknown metadata field"),
        (HEAD + b"Requires-Python: three\n", "error", "The metadata is not valid"),
        (HEAD + b"Summary: one\nSummary: two\n", "error", "The metadata is not valid"),
        (HEAD + b"Summary: \xff\n", "error", "The metadata is not valid"),
        (HEAD.replace(b"2.4", b"2.2") + b"License-File: x\n", "notice", "License-File is left out"),
        (HEAD.replace(b"2.4", b"2.1") + b"Dynamic: summary\n", "error", "The metadata is not valid"),
    ],
)
def test_notes(text: bytes, level: str, title: str) -> None:
    """What is wrong is an error, what is only newer or unknown a warning, what is left out a notice."""
    assert levels(text) == [(level, title)]


def test_all_problems() -> None:
    """Every problem of a file is noted."""
    assert len(levels(HEAD + b"Requires-Python: x\nRequires-Dist: !\nLicense-Expression: nonsense\nFoo: bar\n")) == 4


@pytest.mark.parametrize("field", ["Metadata-Version", "Name", "Version"])
def test_required_fields(field: str) -> None:
    """Without one of the three required fields there is nothing to send."""
    lines = [line for line in HEAD.decode().splitlines() if not line.startswith(f"{field}:")]
    with pytest.raises(DistributionError, match=f"no `{field}`"):
        parse("\n".join(lines).encode())


LINES = st.lists(
    st.sampled_from(
        [b"Metadata-Version: 2.1", b"Name: x", b"Version: 1", b"Summary: \xff", b"Keywords: a", b" folded", b""]
    )
    | st.binary(max_size=20),
    max_size=10,
).map(b"\n".join)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200) | LINES)
@example(HEAD + b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n")
@example(HEAD + b"Content-Transfer-Encoding: base64\n\n////\n")
@example(b"\xef\xbb\xbf" + HEAD)
@example(HEAD.replace(b"\n", b"\r"))
def test_any_bytes(data: bytes) -> None:
    """Whatever a metadata file holds, it is parsed or refused; no other exception comes out."""
    try:
        core, _ = parse(data)
    except DistributionError:
        return
    assert isinstance(core, CoreMetadata)
    assert core.one("name").strip()
