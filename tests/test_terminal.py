"""A person's terminal: a line that is drawn anew, and cleared before other lines. Read back through a pty."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from entrypoint.runner import BAR, CLEARED, Runner
from tests.conftest import StartIndex
from tests.distributions import make_wheel
from tests.line import bare
from tests.peers.scripted import Answer, Request

COLOUR = re.compile(r"\x1b\[[0-9]*m")
SEEN = "waiting for an answer"


def screen(printed: str) -> list[str]:
    """Give the lines that stay on a terminal: what it does with CR, LF and erasing to the end of the line."""
    lines, column = [""], 0
    for each in re.findall(r"\x1b\[K|\x1b\[[0-9]*m|\x1b.?|[^\x1b]", printed):
        if each == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif each == "\r":
            column = 0
        elif each == "\n":
            lines.append("")
            column = 0
        elif not COLOUR.fullmatch(each):
            assert each[0] != "\x1b", f"a terminal is told something unknown: {each!r}"
            lines[-1] = lines[-1][:column] + each + lines[-1][column + 1 :]
            column += 1
    return lines


@contextmanager
def terminal(columns: int = 80) -> Iterator[tuple[int, int]]:
    """Open a terminal of so many columns: the end of the person, and that of the program."""
    person, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield person, program
    finally:
        for each in (person, program):
            with suppress(OSError):
                os.close(each)


class Watched(io.StringIO):
    """A stream that is a terminal, and can be read."""

    def isatty(self) -> bool:
        """Say that somebody watches."""
        return True


def watched(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, columns: int = 80) -> tuple[Runner, Watched]:
    """Give a runner at a terminal, and what it prints."""
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Watched()
    return Runner({"TERM": "xterm", **environ}, stream), stream


def test_lines_come_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar stays the last line while others are logged, and leaves nothing behind."""
    runner, stream = watched({}, monkeypatch)
    runner.log("first")
    runner.draw("1 of 2", 0.5)
    assert screen(stream.getvalue()) == ["first", "━" * (BAR // 2) + "╌" * (BAR // 2) + "  50% 1 of 2"]
    runner.log("second")
    runner.draw("2 of 2", 1.0)
    assert screen(stream.getvalue()) == ["first", "second", "━" * BAR + " 100% 2 of 2"]
    runner.clear()
    runner.log("third")
    assert screen(stream.getvalue()) == ["first", "second", "third", ""]
    printed = stream.getvalue()
    runner.clear()
    assert stream.getvalue() == printed  # nothing is left to be cleared


@pytest.mark.parametrize("columns", [20, 59, 60, 80, 200])
def test_it_fits_into_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is shorter than the terminal is wide, for what has run over cannot be cleared."""
    runner, stream = watched({}, monkeypatch, columns)
    runner.draw("3 of 50 files sent, " * 20, 0.37)
    (line,) = screen(stream.getvalue())
    assert len(line) == columns - 1
    assert "3 of 50" in line
    assert line.endswith("…")


@pytest.mark.parametrize("environ", [{"GITHUB_ACTIONS": "true"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_nobody_watches(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a workflow, and on a terminal that can do nothing, no line is drawn and nothing is coloured."""
    runner, stream = watched({"TERM": "xterm", **environ}, monkeypatch)
    assert not runner.draws
    runner.draw("1 of 2", 0.5)
    runner.clear()
    runner.annotate("error", "No", "because")
    assert "1 of 2" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_file_is_no_terminal() -> None:
    """What is kept in a file holds no terminal sequences."""
    runner = Runner({"TERM": "xterm"}, stream := io.StringIO())
    runner.draw("1 of 2", 0.5)
    runner.annotate("error", "No", "because")
    assert stream.getvalue() == "error: No\n  because\n"


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)])
def test_colours(environ: Mapping[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours come on a terminal only, and not where `NO_COLOR` is set."""
    runner, stream = watched(environ, monkeypatch)
    runner.draw("1 of 2", 0.5)
    runner.annotate("error", "No", "because")
    assert bool(COLOUR.search(stream.getvalue())) == coloured
    assert screen(stream.getvalue())[:2] == ["error: No", "  because"]


def test_what_is_drawn_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text from outside cannot move the cursor, and a secret is not drawn."""
    runner, stream = watched({"NO_COLOR": "1"}, monkeypatch)
    runner.mask("hunter2hunter2")
    runner.draw("a\x1b[2J\r\nb hunter2hunter2", 0.0)
    assert stream.getvalue().endswith("a\ufffd[2J b ***")


def watch(end: int, seen: threading.Event) -> str:
    """Read what a program prints until it ends; say when it is seen waiting."""
    printed = b""
    while True:
        try:
            piece = os.read(end, 65536)
        except OSError:  # EIO: nobody has the other end open any more
            piece = b""
        if not piece:
            return printed.decode().replace("\r\n", "\n")
        printed += piece
        if SEEN.encode() in printed:
            seen.set()


@pytest.mark.parametrize("in_actions", [False, True])
def test_a_run_at_a_terminal(in_actions: bool, scripted: StartIndex, tmp_path: Path) -> None:
    """While an upload takes its time a bar is drawn, and in the end the log is what it is elsewhere."""
    make_wheel(tmp_path / "dist")
    seen = threading.Event()
    if in_actions:
        seen.set()

    def answer(_: Request) -> Answer:
        assert seen.wait(60)
        return Answer(200)

    index = scripted(answer)
    environ = {
        "TERM": "xterm",
        "INPUT_PASSWORD": "secret-secret",
        "INPUT_USER": "me",
        "INPUT_REPOSITORY-URL": index.url,
        "INPUT_PACKAGES-DIR": "dist",
        "GITHUB_ACTIONS": str(in_actions).lower(),
    }
    with terminal(120) as (person, program):
        process = subprocess.Popen(
            [sys.executable, "-Im", "entrypoint"], cwd=tmp_path, env=environ, stdout=program, stderr=program
        )
        os.close(program)
        printed = watch(person, seen)
        assert process.wait(60) == 0
    lines = screen(printed)
    assert (CLEARED in printed) == (not in_actions)
    assert ("━" in printed) == (not in_actions)
    assert not [line for line in lines if SEEN in line or "━" in line]
    assert [line for line in lines if line.startswith("Published to ")]


def test_what_a_person_is_told(scripted: StartIndex, tmp_path: Path) -> None:
    """At a terminal, where there is no page of the run, every problem is told, what is alike once with all its files;
    what was uploaded is not told twice.
    """
    names = [make_wheel(tmp_path / "dist", tag=f"py3-none-manylinux_2_{each}_x86_64").name for each in range(30)]
    index = scripted(lambda request: Answer(400 if request.content.filename in names[::2] else 200, body=b"no"))
    environ = {"GITHUB_WORKSPACE": str(tmp_path), "INPUT_PASSWORD": "secret-secret", "INPUT_USER": "me"}
    status, printed = bare(environ | {"INPUT_REPOSITORY-URL": index.url})
    assert status == 1
    assert printed.count("error: ") == 1
    told = printed.partition("error: The index refused the file\n")[2].split("\n")
    assert sorted(line.strip() for line in told[:15]) == sorted(f"dist/{name}" for name in names[::2])
    assert "notice: Uploaded" not in printed
    assert printed.rstrip().split("\n")[-1].startswith("Not everything is published to 127.0.0.1. 15 of 30 files")
    assert printed.count("blake2b-256") == 30
