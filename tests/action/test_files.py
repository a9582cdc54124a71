"""The grammar of the files that a step writes for the runner."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.action.files import FileCommandError, pairs, text_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n\n", []),
        ("a=1", [("a", "1")]),
        ("a=1\nb=2\n", [("a", "1"), ("b", "2")]),
        (" a =1 ", [(" a ", "1 ")]),
        ("a=", [("a", "")]),
        ("a=b=c", [("a", "b=c")]),
        ("a=b<<c", [("a", "b<<c")]),
        ("a=1\r\n", [("a", "1\r")]),
        ("a<<E\nx\ny\nE\n", [("a", "x\ny")]),
        ("a<<E\nE", [("a", "")]),
        ("a<<E\n\nE\n", [("a", "")]),
        ("a<<E\n\n\nE\n", [("a", "\n")]),
        ("a<<E\nx\r\nE\n", [("a", "x\r")]),
        ("a<<b=c\nx\nb=c\n", [("a", "x")]),
        ("a<<E<<F\nx\nE<<F\n", [("a", "x")]),
        ("a<<E\nb=1\nE2\nE\nc=2\n", [("a", "b=1\nE2"), ("c", "2")]),
        ("a<<E \nx\nE \n", [("a", "x")]),
        ("a=\u2028\x85x", [("a", "\u2028\x85x")]),
    ],
)
def test_pairs(text: str, expected: list[tuple[str, str]]) -> None:
    """The form is decided by what comes first; nothing is trimmed, and a CR stays."""
    assert list(pairs(text)) == expected


@pytest.mark.parametrize(
    "line", ["word", "=value", "<<E\nx\nE", "a<<\nx\n", "a<<E\nx\n", "a<<E\nx\nE\r\n", "a<<E\nx\n E\n", "a<<E"]
)
def test_what_cannot_be_read(line: str) -> None:
    """A line of neither form, an empty name, or a missing end fails; pairs before it count, those after do not."""
    reader = pairs(f"first=1\n{line}\nlast=2")
    assert next(reader) == ("first", "1")
    with pytest.raises(FileCommandError):
        list(reader)


@given(st.text(st.characters(exclude_characters="\n=<")).filter(bool), st.text())
def test_the_second_form_takes_any_value(name: str, value: str) -> None:
    """A value between delimiters that none of its lines equals comes back as it is."""
    delimiter = "end"
    while delimiter in value.split("\n"):
        delimiter += "_"
    assert list(pairs(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")) == [(name, value)]


def test_how_a_file_is_read(tmp_path: Path) -> None:
    """A byte order mark is dropped, bad UTF-8 is replaced, and a file that was deleted is empty."""
    path = tmp_path / "output"
    assert text_of(path) == ""
    path.write_bytes(b"\xef\xbb\xbfa=\xff")
    assert text_of(path) == "a=\ufffd"
