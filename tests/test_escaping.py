"""Escaping: whatever a text holds, it is shown and not acted on. Read back by an independent reading of the grammar."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from entrypoint.runner import (
    Runner,
    heredoc,
    log_lines,
    markdown,
    markdown_code,
    markdown_prose,
    one_line,
    shortened,
    visible,
)
from tests.action.commands import cut, parse
from tests.action.files import pairs

many = settings(deadline=None, max_examples=200)

SNIPPETS = st.sampled_from([
    "::", "##[", "## [", "]", "error", "::error::", "set-output name=x", "add-mask", "%0A", "%", ":", ",", "=", "<<",
    "EOF", "|", "`", "*", "_", "<b>", "&amp;", "](", "![", "http://", "www.", "~~", "$", "\\", "1. ", "# ", "- ", "> ",
    "é", "日本", "🎉", "\r", "\n", "\r\n", " ", "\x1b[31m", "\u2028", "\u202e", "\ufeff", "\ud800",
])  # fmt: skip
TEXTS = st.lists(SNIPPETS | st.text(max_size=5), max_size=12).map("".join)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=8, max_size=30)


def running(*secrets: str) -> tuple[Runner, io.StringIO]:
    """Give a runner in a workflow that was told these secrets, and what it prints from now on."""
    stream = io.StringIO()
    runner = Runner({"GITHUB_ACTIONS": "true"}, stream)
    for secret in secrets:
        runner.mask(secret)
    stream.seek(0)
    stream.truncate()
    return runner, stream


@many
@given(TEXTS)
def test_no_logged_text_is_a_command(text: str) -> None:
    """Not one line of a logged text is read as a command, by either of GitHub's two grammars."""
    runner, stream = running()
    runner.log(text)
    printed = stream.getvalue()
    assert [line for line in cut(printed) if parse(line)] == []
    assert cut(printed)[:-1] == list(log_lines(text)) or printed.endswith("\n")


@many
@given(st.sampled_from(["error", "warning", "notice"]), TEXTS, TEXTS, TEXTS)
def test_annotations_round_trip(level: str, title: str, message: str, path: str) -> None:
    """An annotation is one command whose title, message and file are the texts, made visible."""
    assume(not one_line(title).startswith("=") and not one_line(path).startswith("="))  # GitHub itself loses that `=`
    runner, stream = running()
    runner.annotate(level, title, message, path=path)  # type: ignore[arg-type]  # a literal by the strategy
    (line,) = cut(stream.getvalue().removesuffix("\n"))
    command = parse(line)
    assert command is not None
    assert command.name == level
    assert command.data == visible(message).replace("##[", "## [")
    expected = {"title": one_line(title), "file": one_line(path)}
    assert command.properties == {key: value for key, value in expected.items() if value}


@many
@given(TEXTS)
def test_groups_round_trip(title: str) -> None:
    """A group's title is one command, and the group is closed."""
    runner, stream = running()
    with runner.group(title):
        pass
    opening, closing = (parse(line) for line in cut(stream.getvalue().removesuffix("\n")))
    assert opening is not None
    assert closing is not None
    assert (opening.name, opening.data, closing.name) == ("group", one_line(title), "endgroup")


@many
@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True), TEXTS, min_size=1, max_size=4))
def test_outputs_round_trip(outputs: dict[str, str]) -> None:
    """Outputs come back as they were set, whatever lines they hold."""
    values = {name: text.encode("utf-8", "replace").decode() for name, text in outputs.items()}
    text = "".join(heredoc(name, value, "end-5f1c") for name, value in values.items())
    assert dict(pairs(text)) == values


def test_a_delimiter_in_the_value() -> None:
    """A value that holds the delimiter as a line is not written."""
    with pytest.raises(ValueError, match="delimiter"):
        heredoc("name", "one\nend\ntwo", "end")


def test_delimiters_are_random(tmp_path: Path) -> None:
    """Two calls use two delimiters that nobody can foresee."""
    output = tmp_path / "output"
    runner = Runner({"GITHUB_OUTPUT": str(output)}, io.StringIO())
    for _ in range(2):
        runner.set_outputs({"name": "value"})
    delimiters = {line.partition("<<")[2] for line in output.read_text().splitlines() if "<<" in line}
    assert len(delimiters) == 2
    assert all(len(each) > 20 for each in delimiters)


@many
@given(PRINTABLE, TEXTS)
def test_a_masked_secret_is_nowhere(secret: str, around: str) -> None:
    """After it was masked, no spelling of a secret leaves: not in the log, not in titles, messages or files."""
    spellings = [
        secret.strip(),
        quote(secret.strip(), safe=""),
        quote_plus(secret.strip()),
        html.escape(secret.strip()),
        json.dumps(secret.strip())[1:-1],
        base64.b64encode(secret.strip().encode()).decode(),
    ]
    if len(secret.strip()) < 4:
        return
    runner, stream = running(secret)
    for spelling in spellings:
        runner.log(f"{around} {spelling} {around}")
        runner.annotate("error", spelling, f"{around} {spelling}", path=spelling)
        assert runner.redact(spelling) != spelling
    printed = stream.getvalue()
    for spelling in spellings:
        if spelling not in around and spelling not in "::error title=***,file=***::***|":
            assert spelling not in printed


def test_each_line_of_a_secret_is_masked() -> None:
    """Long lines of a secret are masks of their own; a brace of a JSON key is none, it would wreck the log."""
    stream = io.StringIO()
    runner = Runner({"GITHUB_ACTIONS": "true"}, stream)
    runner.mask('{\n  "private_key": "abc"\n}\n')
    masks = [command.data for line in cut(stream.getvalue()) if (command := parse(line))]
    assert masks == ['"private_key": "abc"']
    assert runner.redact("{ }") == "{ }"


def test_a_terminal_gets_no_mask_command() -> None:
    """Outside of a workflow a mask prints nothing and still holds."""
    stream = io.StringIO()
    runner = Runner({}, stream)
    runner.mask("hunter22")
    runner.log("the word is hunter22")
    assert stream.getvalue() == "the word is ***\n"


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ACTING = {"link_open", "image", "html_inline", "html_block", "em_open", "strong_open", "s_open", "heading_open"}


def rendered(source: str) -> tuple[list[str], set[str]]:
    """Give the texts of the inline parts of a Markdown document, and the kinds of all its tokens."""
    tokens = MARKDOWN.parse(source)
    inline = [token for token in tokens if token.type == "inline"]
    kinds = {token.type for token in tokens} | {child.type for token in inline for child in token.children or []}
    texts = ["".join(child.content for child in token.children or []) for token in inline]
    return texts, kinds


@many
@given(TEXTS)
def test_markdown_is_literal(text: str) -> None:
    """A text behind a bullet is shown as it is: no link, image, HTML, emphasis, heading or list of its own."""
    texts, kinds = rendered(f"- x {markdown(text)}")
    assert " ".join(" ".join(texts).split()) == " ".join(f"x {one_line(text)}".split())
    assert not kinds & ACTING
    assert "ordered_list_open" not in rendered(f"- {markdown(text)}")[1]
    assert "heading_open" not in rendered(f"- {markdown(text)}")[1]


@many
@given(TEXTS)
def test_prose_is_literal_but_for_code(text: str) -> None:
    """Of a text whose words may be code, only the backticks around code are not shown; nothing else comes of it."""
    texts, kinds = rendered(f"- x {markdown_prose(text)}")
    shown, whole = "".join("".join(texts).split()), "".join(f"x {one_line(text)}".split())
    assert shown.replace("`", "") == whole.replace("`", "")
    assert not kinds & ACTING


def test_prose() -> None:
    """What stands between two single backticks is code, with what is around it, and an odd backtick is shown."""
    texts, kinds = rendered(markdown_prose("With `skip-existing: true` it *goes* on, and so `<b>`; a ` is one."))
    assert texts == ["With skip-existing: true it *goes* on, and so <b>; a ` is one."]
    assert kinds & {"code_inline", "em_open"} == {"code_inline"}
    assert markdown_prose("``a`` $`b`$ ` c `") == "\\`\\`a\\`\\` \\$\\`b\\`\\$ \\` c \\`"


@many
@given(TEXTS, TEXTS)
def test_markdown_in_a_table(first: str, second: str) -> None:
    """A text in a table stays in its cell, also as code."""
    texts, kinds = rendered(f"| a | b | c |\n|---|---|---|\n| {markdown(first)} | {markdown_code(second)} | x |\n")
    assert texts[:3] == ["a", "b", "c"]
    assert [" ".join(text.split()) for text in texts[3:]] == [
        " ".join(one_line(first).split()),
        " ".join(one_line(second).split()),
        "x",
    ]
    assert not kinds & ACTING


@pytest.mark.parametrize("text", ["https://evil.example/", "see www.evil.example", "http://a.example and ftp://b"])
def test_no_link_by_itself(text: str) -> None:
    """What GitHub would turn into a link by itself is broken up."""
    assert "://" not in markdown(text).replace(":\\//", "")
    assert "www." not in markdown(text)


@many
@given(TEXTS, st.integers(1, 20))
def test_shortened_counts_as_github_does(text: str, units: int) -> None:
    """A text is cut to so many UTF-16 code units, never in the middle of a character, and shows that it was cut."""
    text = visible(text)
    short = shortened(text, units)
    assert len(short.encode("utf-16-le")) // 2 <= units
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


def test_a_closed_log_does_not_stop_us() -> None:
    """When whoever read the log has gone, printing goes on into the void."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    runner = Runner({}, Closed())
    runner.log("one")
    runner.log("two")
