"""What commands do to a step, and what one hostile line in a log can do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.action.console import Annotation, Console, StepEnds
from tests.action.masks import Masker


def console(*lines: str, debug: bool = False, workspace: str = "/home/runner/work/r/r") -> Console:
    """Give a console that has read these lines."""

    def to_host(path: str) -> str:
        inside = path.removeprefix("/github/workspace")
        return workspace + inside if inside != path else path

    made = Console(Masker(), workspace=workspace, to_host=to_host, debug=debug)
    for line in lines:
        made.read(line)
    return made


def test_a_name_may_be_set_by_one_line_of_text() -> None:
    """V1 counts anywhere: a server's sentence can set an output."""
    done = console("The server said: no ##[set-output name=url]https://evil.example")
    assert done.outputs == {"url": "https://evil.example"}
    assert not done.failed


@pytest.mark.parametrize(
    "line",
    [
        "::set-env name=A::b",
        "::set-env::",
        "text ##[add-path]x",
        "::echo::x",
        "::echo::",
        "::set-output::value",
        "::save-state name=::value",
        "::add-matcher::no-such-file.json",
    ],
)
def test_a_line_that_fails_the_step(line: str) -> None:
    """A command that cannot be carried out gives two errors, and the step fails even if it exits 0."""
    done = console(line, "after")
    assert done.failed
    assert [annotation.level for annotation in done.annotations] == ["error", "error"]
    assert done.annotations[0].message == f"Unable to process command '{line}' successfully."
    assert done.log[-1] == "after"


def test_a_line_that_masks_a_letter() -> None:
    """`add-mask` takes any value, and what was logged before stays."""
    assert console("banana", "::add-mask::a", "banana").log == ["banana", "b***n***n***"]


def test_a_line_that_hides_what_follows() -> None:
    """After `stop-commands` nothing is executed until the token comes, on whichever stream; the token is masked."""
    done = console(
        "::stop-commands::endtoken", "::error::hidden", "##[set-output name=a]b", "::nonsense::", "::EndToken::x",
        "::error::seen", "::endtoken::",
    )  # fmt: skip
    assert [annotation.message for annotation in done.annotations] == ["seen"]
    assert done.outputs == {}
    assert done.log == [
        "::stop-commands::endtoken", "::error::hidden", "##[set-output name=a]b", "::nonsense::", "::EndToken::x",
        "##[error]seen", "::***::",
    ]  # fmt: skip


def test_a_short_token_is_no_mask() -> None:
    """A token of up to six characters is not masked."""
    assert console("::stop-commands::sixsix", "##[sixsix]").masker.values == []


@pytest.mark.parametrize("token", ["", "pause-logging", "Pause-Logging", "error", "Stop-Commands"])
def test_a_token_that_ends_the_step(token: str) -> None:
    """An empty token or the name of a command ends the step on the spot."""
    made = console()
    with pytest.raises(StepEnds):
        made.read(f"::stop-commands::{token}")
    assert made.failed
    assert len(made.annotations) == 1


def test_lines_that_are_text() -> None:
    """What is no command is logged as it is."""
    lines = ["", "| ::error::m", "## [error]m", "::nonsense::x", "a::error::b"]
    done = console(*lines)
    assert done.log == lines
    assert not done.commands


@given(st.lists(st.text()))
def test_made_harmless(lines: list[str]) -> None:
    """No line is a command once `##[` is broken up and a leading `::` has something visible before it."""
    made = console()
    for line in lines:
        made.read("| " + line.replace("##[", "## ["))
    assert not made.commands


def test_annotations() -> None:
    """Position and title come from the properties; the log shows the message alone."""
    done = console("::warning file=dist/a.whl,line=1,endLine=2,title=t%2Cu::m%0An", "::notice::", "::error col=1::e")
    assert done.annotations == [
        Annotation("warning", "m\nn", title="t,u", file="dist/a.whl", line=1, end_line=2),
        Annotation("notice", ""),
        Annotation("error", "e"),
    ]
    assert done.log == ["##[warning]m\nn", "##[error]e"]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ("endLine=3", (3, 3, None, None)),
        ("line=1,endColumn=4", (1, None, 4, 4)),
        ("line=1,endLine=1,col=2,endColumn=4", (1, 1, 2, 4)),
        ("line=1,endLine=2,col=2,endColumn=4", (1, 2, None, None)),
        ("col=2", (None, None, None, None)),
        ("line=2,endLine=1", (None, None, None, None)),
        ("line=1,col=4,endColumn=2", (1, None, None, None)),
        ("line=x", (None, None, None, None)),
    ],
)
def test_positions(properties: str, expected: tuple[int | None, ...]) -> None:
    """`endLine` without `line` copies it; columns need one line; ends before starts vanish."""
    (note,) = console(f"::error {properties}::m").annotations
    assert (note.line, note.end_line, note.column, note.end_column) == expected


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("dist/a.whl", "dist/a.whl"),
        ("/github/workspace/dist/a.whl", "dist/a.whl"),
        ("/home/runner/work/r/r/dist/a.whl", "dist/a.whl"),
        ("/github/workspace2/a", "/home/runner/work/r/r2/a"),
        ("/etc/passwd", "/etc/passwd"),
    ],
)
def test_files_of_annotations(given_: str, shown: str) -> None:
    """A path below the workspace, the container's or the host's, becomes relative to it; relative ones pass."""
    assert console(f"::error file={given_}::m").annotations[0].file == shown


def test_ten_of_each_kind() -> None:
    """The eleventh annotation of a kind is in the log only; the runner's own count too."""
    lines = [f"::{level}::{number}" for number in range(11) for level in ("error", "warning", "notice")]
    done = console(*lines, "::set-output name=a::b")
    assert len(done.annotations) == 30
    assert [note.message for note in done.dropped][:3] == ["10", "10", "10"]
    assert done.dropped[3].level == "warning"
    assert "##[error]10" in done.log


def test_a_message_is_cut() -> None:
    """A message keeps 4096 UTF-16 code units, counted after masking; the log has all of it."""
    done = console("::add-mask::secret-value", "::error::secret-value" + "\U0001f40d" * 3000)
    assert len(done.annotations[0].message.encode("utf-16-le", "surrogatepass")) == 2 * 4096
    assert done.annotations[0].message.startswith("***\U0001f40d")
    assert len(done.log[0]) > 3000


def test_titles_are_not_masked() -> None:
    """Messages and log are masked, titles and files never: a secret there is published."""
    (note,) = console("::add-mask::hunter2", "::error title=hunter2,file=hunter2::hunter2").annotations
    assert note == Annotation("error", "***", title="hunter2", file="hunter2")


def test_an_empty_mask_warns() -> None:
    """`add-mask` without a value masks nothing and warns."""
    done = console("::add-mask:: ")
    assert done.masker.values == []
    assert [note.level for note in done.annotations] == ["warning"]


def test_deprecated_commands() -> None:
    """`set-output` and `save-state` still work, with a warning each; an output's name ignores case."""
    done = console("::set-output name=A::1", "::set-output name=a::2", "::save-state name=s::3")
    assert (done.outputs, done.state) == ({"a": "2"}, {"s": "3"})
    assert [note.level for note in done.annotations] == ["warning"] * 3


def test_groups() -> None:
    """Groups fold lines, do not nest, and may be left open."""
    done = console("0", "::group::a", "1", "::group::b", "2", "::endgroup::", "3", "::group::c")
    assert [(group.title, group.closed) for group in done.groups] == [("a", True), ("b", True), ("c", False)]
    assert done.log == ["0", "##[group]a", "1", "##[group]b", "2", "##[endgroup]", "3", "##[group]c"]
    assert done.groups[0].lines == ["1"]


def test_debug() -> None:
    """Debug lines show in debug runs only."""
    assert console("::debug::d").log == []
    assert console("::debug::d", debug=True).log == ["##[debug]d"]


def test_echo() -> None:
    """After `echo::on` commands that act silently are shown, secrets as stars."""
    done = console(
        "::echo::on", "::set-output name=a::b", "::add-mask::hunter2", "::echo::OFF", "::save-state name=a::b"
    )
    assert [line for line in done.log if "[warning]" not in line] == [
        "::set-output name=a::b",
        "::add-mask::***",
        "::echo::OFF",
    ]


def test_matchers(tmp_path: Path) -> None:
    """A problem matcher has to be JSON; one without a name warns."""
    (tmp_path / "good.json").write_text('{"problemMatcher": []}')
    (tmp_path / "bad.json").write_text("[")
    good = console("::add-matcher::/github/workspace/good.json", "::remove-matcher owner=o::", workspace=str(tmp_path))
    assert not good.failed
    assert not good.annotations
    assert console("::add-matcher::bad.json", workspace=str(tmp_path)).failed
    assert [note.level for note in console("::add-matcher::", "::remove-matcher::").annotations] == ["warning"] * 2
