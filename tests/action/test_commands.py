"""The grammar of workflow commands, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.action.commands import REGISTERED, Command, Lines, cut, parse


@pytest.mark.parametrize(
    ("line", "name", "data", "properties"),
    [
        ("::error::m", "error", "m", {}),
        ("  \t::error::m", "error", "m", {}),
        ("\u3000::error::m", "error", "m", {}),
        ("::ERROR::m", "error", "m", {}),
        ("::error file=a,line=1::m", "error", "m", {"file": "a", "line": "1"}),
        ("::error FILE=a,file=b::m", "error", "m", {"file": "b"}),
        ("::error  file=a ::m", "error", "m", {"file": "a"}),
        ("::error file=a, line=1::m", "error", "m", {"file": "a", " line": "1"}),
        ("::error file=a=b::m", "error", "m", {"file": "a=b"}),
        ("::error file==a::m", "error", "m", {"file": "a"}),
        ("::error file=,title,=x::m", "error", "m", {}),
        ("::error title=a%3Ab%2Cc%0Ad%0De%25::m", "error", "m", {"title": "a:b,c\nd\re%"}),
        ("::error::a%0Ab%0Dc%25d", "error", "a\nb\rc%d", {}),
        ("::error::%250A%3A%2C%0a", "error", "%0A%3A%2C%0a", {}),
        ("::error::a::b", "error", "a::b", {}),
        ("::endgroup::", "endgroup", "", {}),
        ("::error file=##[debug]::m", "error", "m", {"file": "##[debug]"}),
        ("##[error]m", "error", "m", {}),
        ("text ##[error]m", "error", "m", {}),
        ("::nonsense::##[error]m", "error", "m", {}),
        ("::error no end ##[error]m", "error", "m", {}),
        ("##[Set-Output name=x;y=z]v", "set-output", "v", {"name": "x", "y": "z"}),
        ("##[error file=a%3Bb%5Dc]%3B%5D%0D%0A%25", "error", ";]\r\n%", {"file": "a;b]c"}),
        ("##[error file=a,b;  line=1]m", "error", "m", {"file": "a,b", "  line": "1"}),
        ("##[error]a ##[debug]b", "error", "a ##[debug]b", {}),
        ("##[##[error]m]", None, "", {}),
    ],
)
def test_commands(line: str, name: str | None, data: str, properties: dict[str, str]) -> None:
    """V2 counts at the start after white space, V1 anywhere; escapes are decoded once, `%25` last."""
    assert parse(line) == (Command(name, data, properties) if name else None)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "text",
        "::",
        "::error",
        ":: error::m",
        ": :error::m",
        "x ::error::m",
        "\x1f::error::m",
        "\ufeff::error::m",
        "::nonsense::m",
        ":::error::m",
        "::err%6Fr::m",
        "##[error",
        "##[ error]m",
        "## [error]m",
        "##[nonsense]m",
        "##[nonsense]##[error]only the first one counts",
        "::internal-set-repo-path::x",
        "| ::error::m",
    ],
)
def test_text(line: str) -> None:
    """What does not begin in the right place, is not closed, or has no registered name, is text."""
    assert parse(line) is None


def test_registered_names_can_grow() -> None:
    """The token that ends `stop-commands` is a name like the others."""
    assert parse("::ToKeN::", REGISTERED | {"token"}) == Command("token", "")


def escaped_data(text: str) -> str:
    """Escape as GitHub's documentation of workflow commands and its toolkit have it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """Escape a property likewise."""
    return escaped_data(text).replace(":", "%3A").replace(",", "%2C")


@given(st.text(), st.text(st.characters(codec="utf-8", exclude_characters="=")).filter(bool))
def test_escaping_round_trip(message: str, title: str) -> None:
    """Whatever is escaped comes back, but for white space at the end of the properties, which is trimmed."""
    lines = cut(f"::error title={escaped_property(title)}x::{escaped_data(message)}")
    assert [parse(line) for line in lines] == [Command("error", message, {"title": f"{title}x"})]


@given(st.text())
def test_an_escaped_message_is_one_command(message: str) -> None:
    """A line that is a V2 command is never read as V1, whatever its message holds."""
    command = parse(f"::notice::{escaped_data(message)}")
    assert command is not None
    assert command.name == "notice"


def test_lines_end_at_lf_cr_and_crlf() -> None:
    """An LF, a CR and a CRLF each end one line; other separators of Unicode do not."""
    assert cut("a\nb\rc\r\nd\n\re\u2028f\x85g\vh\fi") == ["a", "b", "c", "d", "", "e\u2028f\x85g\vh\fi"]
    assert cut("a\n") == ["a"]
    assert cut("a\n\n") == ["a", ""]
    assert cut("") == []


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    """A stream is read as UTF-8 with replacement."""
    lines = Lines()
    assert lines.feed(b"\xff\xc3") + lines.feed(b"\xa9\n") == ["\ufffd\xe9"]
    assert lines.feed(b"end\xc3") + lines.close() == ["end\ufffd"]


def test_a_cr_waits_for_its_lf() -> None:
    """A CRLF that arrives in two pieces ends one line."""
    lines = Lines()
    assert lines.feed(b"a\r") == []
    assert lines.feed(b"\nb") == ["a"]
    assert lines.close() == ["b"]


@given(st.binary(), st.integers(1, 5))
def test_pieces_do_not_matter(stream: bytes, size: int) -> None:
    """A stream gives the same lines however it arrives."""
    whole, pieces = Lines(), Lines()
    expected = whole.feed(stream) + whole.close()
    got = [line for start in range(0, len(stream), size) for line in pieces.feed(stream[start : start + size])]
    assert got + pieces.close() == expected
