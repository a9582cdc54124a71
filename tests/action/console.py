"""The console: what the runner makes of a step's lines, and what of it GitHub shows.

The behaviour is that of actions/runner 2.336, `ActionCommandManager.cs`, `OutputManager.cs` and
`ExecutionContext.AddIssue`. Left out: the opt-ins to insecure commands, and problem matchers (a matcher that loads
is noted and matches nothing).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.action.commands import REGISTERED, WHITE_SPACE, Command, parse
from tests.action.masks import Masker

ANNOTATIONS = 10
"""Annotations of one kind that a step keeps; later ones are in the log only."""
MESSAGE_UNITS = 4096
"""UTF-16 code units of an annotation's message; the rest is cut."""
TOKEN_MASKED_ABOVE = 6
"""Characters. A longer token of `stop-commands` becomes a mask."""

SILENT = frozenset({"add-mask", "debug", "error", "warning", "notice"})
"""Commands that `echo::on` does not show."""


class CommandError(Exception):
    """A command that cannot be carried out: two error annotations, and the step fails."""


class StepEnds(Exception):  # noqa: N818 - it reads as what it says
    """A line that makes the runner give the step up; nothing after it is read."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is shown at a file or at the run. Only the message is masked: never what is in `title` or `file`."""

    level: str
    message: str
    title: str = ""
    file: str = ""
    line: int | None = None
    end_line: int | None = None
    column: int | None = None
    end_column: int | None = None


@dataclass(slots=True)
class Group:
    """A folded part of the log."""

    title: str
    lines: list[str] = field(default_factory=list)
    closed: bool = False


class Console:
    """A step's log while it is written, and what commands did on the way.

    `to_host` turns a path of the container into one of the host; `workspace` is the host's.
    """

    def __init__(
        self,
        masker: Masker,
        *,
        workspace: str = "/github/workspace",
        to_host: Callable[[str], str] = str,
        debug: bool = False,
    ) -> None:
        self.masker = masker
        self.failed = False
        self.raw: list[str] = []
        self.log: list[str] = []
        self.commands: list[Command] = []
        self.annotations: list[Annotation] = []
        self.dropped: list[Annotation] = []
        self.groups: list[Group] = []
        self.outputs: dict[str, str] = {}
        self.state: dict[str, str] = {}
        self._workspace = workspace
        self._to_host = to_host
        self._debug = debug
        self._echo = debug
        self._stopped_by: str | None = None
        self._actions: Mapping[str, Callable[[Command], None]] = {
            "add-mask": self._add_mask,
            "add-matcher": self._add_matcher,
            "remove-matcher": self._remove_matcher,
            "add-path": self._disabled,
            "set-env": self._disabled,
            "set-output": self._set_output,
            "save-state": self._save_state,
            "debug": lambda command: self._write(f"##[debug]{command.data}") if self._debug else None,
            "echo": self._set_echo,
            "group": self._open_group,
            "endgroup": self._close_group,
            "error": self._annotate,
            "warning": self._annotate,
            "notice": self._annotate,
        }

    def read(self, line: str) -> None:
        """Take one line of either stream. Raises `StepEnds` if the runner would not read another one."""
        self.raw.append(line)
        token = self._stopped_by
        command = parse(line, REGISTERED if token is None else REGISTERED | {token})
        if command is None or token not in (None, command.name):
            self._write(line)
        elif token is not None:
            self._write(line)
            self._stopped_by = None
        elif command.name == "stop-commands":
            self._stop(line, command)
        else:
            self._execute(line, command)

    def issue(self, level: str, message: str, **position: str) -> None:
        """Log a message and annotate with it, as the runner does for itself and for commands."""
        if message:
            self._write(f"##[{level}]{message}")
        cut = self.masker.mask(message).encode("utf-16-le", "surrogatepass")[: 2 * MESSAGE_UNITS]
        annotation = Annotation(
            level,
            cut.decode("utf-16-le", "surrogatepass"),
            title=position.get("title", ""),
            file=position.get("file", ""),
            line=_number(position.get("line")),
            end_line=_number(position.get("endline")),
            column=_number(position.get("col")),
            end_column=_number(position.get("endcolumn")),
        )
        kept = sum(other.level == level for other in self.annotations)
        (self.annotations if kept < ANNOTATIONS else self.dropped).append(annotation)

    def set_output(self, name: str, value: str) -> None:
        """Set an output; the last value of a name wins, and names ignore case."""
        self.outputs = {other: kept for other, kept in self.outputs.items() if other.lower() != name.lower()}
        self.outputs[name] = value

    def fail(self, what: str, why: object) -> None:
        """Let the step fail because of something that could not be carried out."""
        self.issue("error", f"Unable to process {what} successfully.")
        self.issue("error", str(why))
        self.failed = True

    def _write(self, text: str) -> None:
        masked = self.masker.mask(text)
        self.log.append(masked)
        if self.groups and not self.groups[-1].closed:
            self.groups[-1].lines.append(masked)

    def _execute(self, line: str, command: Command) -> None:
        self.commands.append(command)
        if self._echo and command.name not in SILENT:
            self._write(line)
        try:
            self._actions[command.name](command)
        except (CommandError, OSError, ValueError) as error:
            self.fail(f"command '{command.name if command.name in SILENT else line}'", error)

    def _stop(self, line: str, command: Command) -> None:
        token = command.data.lower()
        if not token or token == "pause-logging" or token in REGISTERED:
            self.issue("error", "You cannot use a endToken that is an empty string, 'pause-logging' or a command")
            self.failed = True
            raise StepEnds
        self.commands.append(command)
        self._write(line)
        if len(token) > TOKEN_MASKED_ABOVE:
            self.masker.add(command.data)
        self._stopped_by = token

    def _add_mask(self, command: Command) -> None:
        if not command.data.strip(WHITE_SPACE):
            self.issue("warning", "Can't add secret mask for empty string in ##[add-mask] command.")
            return
        if self._echo:
            self._write("::add-mask::***")
        self.masker.add(command.data)

    def _add_matcher(self, command: Command) -> None:
        if not command.data:
            self.issue("warning", "File path must be specified.")
        elif not isinstance(json.loads(self._file(command.data).read_text(encoding="utf-8")), dict):
            raise CommandError("not a problem matcher")

    def _remove_matcher(self, command: Command) -> None:
        if bool(command.properties.get("owner")) == bool(command.data):
            self.issue(
                "warning", "Either an owner name or a file path must be specified in ##[remove-matcher] command."
            )
        elif command.data:
            json.loads(self._file(command.data).read_text(encoding="utf-8"))

    def _file(self, path: str) -> Path:
        return Path(self._workspace) / self._to_host(path)

    def _disabled(self, command: Command) -> None:
        raise CommandError(f"The `{command.name}` command is disabled. Please upgrade to using Environment Files.")

    def _set_output(self, command: Command) -> None:
        self.set_output(self._name(command), command.data)
        self._deprecated(command)

    def _save_state(self, command: Command) -> None:
        self.state[self._name(command)] = command.data
        self._deprecated(command)

    def _name(self, command: Command) -> str:
        if not (name := command.properties.get("name")):
            raise CommandError(f"Required field 'name' is missing in ##[{command.name}] command.")
        return name

    def _deprecated(self, command: Command) -> None:
        self.issue("warning", f"The `{command.name}` command is deprecated and will be disabled soon.")

    def _set_echo(self, command: Command) -> None:
        value = command.data.strip(WHITE_SPACE).lower()
        if value not in ("on", "off"):
            raise CommandError(f"Invalid echo command value. Current value is: '{command.data}'.")
        self._echo = value == "on"

    def _open_group(self, command: Command) -> None:
        if self.groups and not self.groups[-1].closed:  # groups do not nest: the next one ends the one before
            self.groups[-1].closed = True
        self._write(f"##[group]{command.data}")
        self.groups.append(Group(self.masker.mask(command.data)))

    def _close_group(self, _command: Command) -> None:
        if self.groups:
            self.groups[-1].closed = True
        self._write("##[endgroup]")

    def _annotate(self, command: Command) -> None:
        properties = positioned(command.properties)
        if file := properties.get("file"):
            properties["file"] = _relative(self._to_host(file), self._workspace)
        self.issue(command.name, command.data, **properties)


def positioned(properties: Mapping[str, str]) -> dict[str, str]:
    """Mend lines and columns that do not fit each other, as `IssueCommandExtension.ValidateLinesAndColumns` does."""
    mended = dict(properties)
    for start, end in (("line", "endline"), ("col", "endcolumn")):
        if _number(mended.get(start)) is None and _number(mended.get(end)) is not None:
            mended[start] = mended[end]
    line, end_line = mended.get("line"), mended.get("endline")
    without_line = _number(line) is None
    several_lines = _number(end_line) is not None and line != end_line
    if without_line or several_lines or _backwards(mended.get("col"), mended.get("endcolumn")):
        mended.pop("col", None)
        mended.pop("endcolumn", None)
    if _backwards(line, end_line):
        del mended["line"], mended["endline"]
    return mended


def _backwards(start: str | None, end: str | None) -> bool:
    first, last = _number(start), _number(end)
    return first is not None and last is not None and last < first


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _relative(path: str, folder: str) -> str:
    return path.removeprefix(folder + "/")
