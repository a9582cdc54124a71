"""The runner: what GitHub told us, and how it is told something. All escaping lives here.

How GitHub reads a step's output: a line ends at LF, CR or CRLF; `::name key=value::data` at the start of a line and
`##[name]data` anywhere in it are commands (actions/runner 2.336, `ActionCommand.cs`, `ProcessInvoker.cs`, 2026-08).
Whatever comes from outside (server answers, file names, metadata) therefore passes through one of the functions below.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TextIO
from urllib.parse import quote, quote_plus

Level = Literal["error", "warning", "notice"]

MESSAGE_UNITS = 4096
"""UTF-16 code units that GitHub keeps of an annotation's message (actions/runner, `IssueMessageMaxLength`)."""
SHORTEST_SECRET = 4
"""Characters. Masking less would tear holes into every line of the log."""
SHORTEST_SECRET_LINE = 8
"""Characters. Each line of a multi-line secret is masked, but a `{` of a JSON key must not be."""

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 and C1 controls but for the ones below; ESC starts terminal sequences
    "\u2028\u2029"  # line and paragraph separator
    "\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"  # direction overrides (CVE-2021-42574), byte order mark
    "\ud800-\udfff]"  # lone surrogates: bytes of a file name that are not UTF-8
)
_LINE_END = re.compile("\r\n|\r|\n")
_MARKDOWN = re.compile(
    r"([\\`*\[\]|~$]"  # code, emphasis, links, cells, strike-through, formulas
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # emphasis; inside a word an underscore is one
    r"|(?<=:)/(?=/)|(?<=www)\."  # what GitHub would turn into a link by itself
    r"|^[#+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)])"  # headings and lists
)


_CODE = re.compile("(?<![`$])`(?! )([^`|]+)(?<! )`(?![`$])")


def visible(text: str) -> str:
    """Replace what a terminal or a log would act on instead of showing it; line ends stay."""
    return _CONTROL.sub("\ufffd", text.replace("\t", " "))


def one_line(text: str) -> str:
    """Fold a text into one visible line."""
    return " ".join(visible(text).split())


def log_lines(text: str) -> Iterator[str]:
    """Cut a text into lines of which none is a workflow command."""
    for line in _LINE_END.split(visible(text)):
        harmless = line.replace("##[", "## [")
        yield f"| {harmless}" if harmless.lstrip().startswith("::") else harmless


def command_data(text: str) -> str:
    """Escape the data of a workflow command (actions/toolkit, `escapeData`)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """Escape a property of a workflow command (actions/toolkit, `escapeProperty`)."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def markdown(text: str) -> str:
    """Show a text literally in one line of GitHub's Markdown, also in a table: no link, image or HTML comes of it."""
    return _escaped(one_line(text))


def _escaped(line: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _with_entities(line))


def _with_entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_code(text: str) -> str:
    """Show a name in Markdown's type for code, also in a table."""
    text = one_line(text)
    return markdown(text) if not text or "`" in text or "|" in text else f"`{text}`"


def markdown_prose(text: str) -> str:
    """Show a text as `markdown` does, but for what stands between single backticks: in the type for code.

    Whoever wrote it, code is shown and not acted on. GitHub's formulas have the form ``$`x`$``.
    """
    parts = _CODE.split(one_line(text))  # text and code in turn
    return "".join(f"`{part}`" if number % 2 else _escaped(part) for number, part in enumerate(parts))


def markdown_block(text: str, indent: str = "") -> Iterator[str]:
    """Yield the lines that show a text as it stands, in Markdown's type for code; nothing for an empty text.

    A fence that is longer than every run of backticks inside ends nowhere else (CommonMark 0.31, 4.5).
    """
    if text:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
        for line in ("", fence, *_LINE_END.split(visible(text)), fence, ""):
            yield f"{indent}{line}".rstrip()


def heredoc(name: str, value: str, delimiter: str) -> str:
    """Write one value in the form of GitHub's file commands that takes several lines.

    Raises `ValueError` when a line of the value equals the delimiter.
    """
    if delimiter in _LINE_END.split(value):
        raise ValueError("the delimiter stands in the value")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def shortened(text: str, units: int) -> str:
    """Cut a text to so many UTF-16 code units, in which GitHub counts, and show that it was cut."""
    if len(text) * 2 <= units or len(text.encode("utf-16-le", "surrogatepass")) // 2 <= units:
        return text
    return text.encode("utf-16-le", "surrogatepass")[: 2 * (units - 1)].decode("utf-16-le", "ignore") + "…"


def _spellings(secret: str) -> Iterator[str]:
    """Yield the forms in which a server or a library may repeat a secret."""
    yield secret
    yield base64.b64encode(secret.encode()).decode()
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield _with_entities(secret).replace('"', "&quot;").replace("'", "&#x27;")  # as `html.escape`, which costs 2 ms
    yield json.dumps(secret)[1:-1]


CLEARED = "\r\x1b[K"
"""Back to the first column, and nothing from there to the end of the line (ECMA-48, EL)."""
BAR = 16
"""Columns of a bar."""
NARROW = 60
"""Columns of a terminal below which there is no bar beside the text."""
_COLOURS = {"error": "31", "warning": "33", "notice": "36", "bar": "32"}


class Terminal:
    """What a person's terminal can do; no stream of bytes that is kept gets any of it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._coloured = not environ.get("NO_COLOR")  # https://no-color.org
        self.line = ""
        """The last line, which is drawn anew and never ends."""

    def coloured(self, text: str, kind: Level | Literal["bar"]) -> str:
        """Give a text a colour, if the person wants any."""
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self._coloured and text else text

    def drawn(self, text: str, share: float) -> str:
        """Put a bar before a text, and cut it to the width of the terminal."""
        width = shutil.get_terminal_size().columns - 1  # some terminals begin a new line after the last column
        if width < NARROW:
            return _cut(text, width)
        full = int(share * BAR)
        bar = f"{self.coloured('━' * full, 'bar')}{'╌' * (BAR - full)}"
        return f"{bar} {share:4.0%} {_cut(text, width - BAR - 6)}"


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


class Runner:
    """The machine and the workflow that run us; on a person's terminal, only the terminal."""

    def __init__(self, environ: Mapping[str, str], stream: TextIO) -> None:
        self.in_actions = environ.get("GITHUB_ACTIONS") == "true"
        workspace = Path(environ.get("GITHUB_WORKSPACE") or ".")
        self.workspace = (workspace if workspace.is_dir() else Path()).absolute()
        self._output = environ.get("GITHUB_OUTPUT")
        self._summary = environ.get("GITHUB_STEP_SUMMARY")
        self._temp = environ.get("RUNNER_TEMP")
        self._stream: TextIO | None = stream
        drawing = not self.in_actions and environ.get("TERM") not in {None, "", "dumb"} and stream.isatty()
        self._terminal = Terminal(environ) if drawing else None
        self._secrets: set[str] = set()
        self._writing = threading.Lock()

    def mask(self, secret: str) -> None:
        """Keep a secret out of everything that is printed or written from now on, here and by GitHub."""
        lines = [line.strip() for line in _LINE_END.split(secret) if line.strip()]
        shortest = SHORTEST_SECRET if len(lines) == 1 else SHORTEST_SECRET_LINE
        for line in lines:
            if len(line) >= shortest and line not in self._secrets:
                if self.in_actions:
                    self._write(f"::add-mask::{command_data(line)}")
                self._secrets.update(_spellings(line))

    def redact(self, text: str) -> str:
        """Put `***` where a text holds a masked secret, in any of its usual spellings."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def log(self, text: str) -> None:
        """Print a text for someone who reads the log; nothing in it is taken for a command."""
        for line in log_lines(self.redact(text)):
            self._write(line)

    @property
    def draws(self) -> bool:
        """Whether a person watches a line that is drawn anew."""
        return self._terminal is not None

    def draw(self, text: str, share: float) -> None:
        """Draw the last line anew: a bar that is filled from 0 to 1, and a text. Nothing where nobody watches."""
        if self._terminal:
            self._put(line=self._terminal.drawn(one_line(self.redact(text)), share))

    def clear(self) -> None:
        """Take away the line that is drawn."""
        if self._terminal and self._terminal.line:
            self._put(line="")

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold the lines logged inside the block under a title."""
        title = one_line(self.redact(title))
        if not self.in_actions:
            self.log(title)
            yield
            return
        self._write(f"::group::{command_data(title)}")
        try:
            yield
        finally:
            self._write("::endgroup::")

    def annotate(self, level: Level, title: str, message: str, *, path: str | None = None) -> None:
        """Tell someone who has to act, on the page of the run; `path` is relative to the workspace."""
        title, message = one_line(self.redact(title)), visible(self.redact(message))
        if not self.in_actions:
            first, *others = log_lines(f"{level}: {title}\n  " + message.replace("\n", "\n  "))
            for line in (self._terminal.coloured(first, level) if self._terminal else first, *others):
                self._write(line)
            return
        properties = {"title": title, "file": one_line(self.redact(path or ""))}
        text = ",".join(f"{key}={command_property(value)}" for key, value in properties.items() if value)
        data = command_data(shortened(message, MESSAGE_UNITS).replace("##[", "## ["))
        self._write(f"::{level} {text}::{data}")

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set step outputs. Raises `OSError` when GitHub's file cannot be written."""
        delimiter = f"end-{os.urandom(16).hex()}"
        self._append(self._output, (heredoc(name, self.redact(text), delimiter) for name, text in outputs.items()))

    def write_summary(self, text: str) -> None:
        """Add Markdown to the job summary. Raises `OSError` when GitHub's file cannot be written."""
        self._append(self._summary, [text])

    def write_report(self, text: str) -> None:
        """Write `publish-report.json` for later steps; nothing without a temporary folder.

        Raises `OSError` when it cannot be written.
        """
        if self._temp:
            path = Path(self._temp, "publish-report.json")
            path.write_text(text, encoding="utf-8")
            self.log(f"Report: {path}")

    def _append(self, path: str | None, texts: Iterable[str]) -> None:
        if path:
            with open(path, "a", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - Path.open has no better name
                file.writelines(texts)

    def _write(self, line: str) -> None:
        self._put(f"{line}\n")

    def _put(self, text: str = "", line: str | None = None) -> None:
        """Print a text above the line that is drawn, and that as it was, or anew."""
        if self._stream is None:
            return
        try:
            with self._writing:  # requests are logged by the threads that make them
                if self._terminal:
                    before, self._terminal.line = self._terminal.line, self._terminal.line if line is None else line
                    text = f"{CLEARED if before else ''}{text}{self._terminal.line}"
                self._stream.write(text)
                self._stream.flush()
        except BrokenPipeError:
            # Whoever read the log is gone. The release goes on, and the report still says what became of it.
            self._stream = None
