"""The demonstration: this project published to a real index on this machine, seen with the eyes of its user.

`make demo` runs it. It needs no network apart from loopback, changes nothing outside a temporary directory, and its
exit status says whether everything was as expected.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.text import Text

from tests.line import Server
from tests.peers.dropping import Dropping, dropping
from tests.peers.pip import download_like
from tests.peers.process import own_environment
from tests.peers.pypiserver import PypiServer, running_pypiserver

ROOT = Path(__file__).resolve().parent.parent
BUILD_SECONDS = 120.0
PUBLISH_SECONDS = 120.0
FILE_COLUMNS = 120  # when the output goes to a file or a CI log, which has no width of its own
SHOWN_IN_REPORT = ("filename", "state", "status", "attempts", "size", "sha256", "reason")
LEVELS = {"error": ("Error", "red"), "warning": ("Warning", "yellow"), "notice": ("Notice", "cyan")}


@dataclass(frozen=True, slots=True)
class Step:
    """What one workflow step left behind."""

    exit_status: int
    log: str
    outputs: Mapping[str, str]
    summary: str
    report: Mapping[str, Any]


class Demo:
    """The demonstration as it goes along, and what of it was as expected."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.failed: list[str] = []

    def run(self, directory: Path) -> None:
        """Show everything, in the order in which a user would meet it."""
        workspace = directory / "workspace"
        self._heading("1", "Build this project: one sdist, one wheel")
        distributions = built(workspace / "dist")
        for path in distributions:
            self._say(f"{path.name}  {path.stat().st_size:,} bytes  sha256 {sha256(path)[:16]}…")
        self._expect("an sdist and a wheel were built", [path.suffix for path in distributions] == [".whl", ".gz"])

        with running_pypiserver(directory / "index") as server:
            self._heading("2", "Publish it, as a workflow step does")
            self._say(f"A pypiserver with a password listens at {server.upload_url}. The step:")
            self._say(f"\n{step_of(server)}\n")
            first = published(workspace, directory / "first", server)
            self._first_run(first, server)

            self._heading("6", "Install what was published, and compare")
            self._compare(distributions, server, directory / "pip")

            self._heading("7", "Run the same step again")
            second = published(workspace, directory / "second", server)
            self._second_run(second, server)

        with running_pypiserver(directory / "other") as server, dropping(server, answers={2}) as proxy:
            self._heading("8", "Publish through a proxy that loses the answer to the second file")
            lossy = published(workspace, directory / "lossy", proxy)
            self._lossy_run(lossy, proxy)
            self._compare(distributions, server, directory / "pip-again")

    def _first_run(self, step: Step, server: PypiServer) -> None:
        self._heading("3", "The log of the step")
        self._show_log(step.log)
        self._heading("4", "Its outputs, for later steps")
        self._show_outputs(step.outputs)
        self._heading("5", "Its job summary, and publish-report.json (abridged)")
        self._show(Markdown(step.summary))
        for line in json.dumps(abridged(step.report), indent=2, ensure_ascii=False).splitlines():
            self._show_line(Text(line, style="dim"))

        states = {record["filename"]: record["state"] for record in json.loads(step.outputs.get("files", "[]"))}
        self._expect("the exit status is 0", step.exit_status == 0)
        self._expect("the outcome is `published`", step.outputs.get("outcome") == "published")
        self._expect("every file is `uploaded`", list(states.values()) == ["uploaded", "uploaded"])
        self._expect("the summary names every file", all(name in step.summary for name in states))
        self._expect("the report names every file", all(name in json.dumps(step.report) for name in states))
        self._expect("the password is masked before anything else", step.log.startswith("::add-mask::"))
        self._expect("the password is nowhere else", not leaked(step, server.password))

    def _compare(self, distributions: list[Path], server: PypiServer, directory: Path) -> None:
        for path in distributions:
            downloaded = download_like(server.simple_url, path, directory / path.suffix)
            same = sha256(downloaded) == sha256(path)
            self._expect(f"pip downloads {path.name} with the same hash", same)

    def _second_run(self, step: Step, server: Server) -> None:
        self._say(
            "A re-run happens: a job is started again, a release is published twice. pypiserver refuses a file name "
            "that it has, whatever is in the file. So the index is read first, and compared by hash: what is there "
            "is not sent again.\n"
        )
        self._show_log(step.log)
        self._expect("the exit status is 0", step.exit_status == 0)
        self._expect("the outcome is `unchanged`", step.outputs.get("outcome") == "unchanged")
        self._expect("every file is `already-present`", step.outputs.get("already-present") == "2")
        self._expect("no upload request was made", "POST" not in step.log)
        self._expect("the password is nowhere", not leaked(step, server.password))

    def _lossy_run(self, step: Step, proxy: Dropping) -> None:
        self._say(
            "The index stores the sdist, and the connection is cut before its answer arrives. Was it stored, or not? "
            "Sending it again would end in a refusal. So the index is asked first.\n"
        )
        self._show_log(step.log)
        self._show(Markdown(step.summary))
        self._expect("one answer was lost, of a file that was stored", proxy.dropped == [200])
        self._expect("the exit status is 0", step.exit_status == 0)
        self._expect("every file is `uploaded`", step.outputs.get("uploaded") == "2")
        self._expect("nothing was sent twice", proxy.uploads == 2)
        self._expect("the password is nowhere", not leaked(step, proxy.password))

    def _show_log(self, log: str) -> None:
        for line in as_github_shows_it(log):
            self._show_line(line)

    def _show_outputs(self, outputs: Mapping[str, str]) -> None:
        widest = max(map(len, outputs), default=0)
        room = self._console.width - widest - 4  # two columns on the left, two between
        for name, value in outputs.items():
            shown = value if len(value) <= room else f"{value[: room - 1]}…"
            self._show_line(Text.assemble((name.ljust(widest), "bold"), f"  {shown}"))

    def _heading(self, number: str, text: str) -> None:
        self._console.print()
        self._console.rule(Text(f"{number}  {text}", style="bold"), align="left")
        self._console.print()

    def _say(self, text: str) -> None:
        self._show(Text(text))

    def _show(self, what: Markdown | Text) -> None:
        self._console.print(Padding(what, (0, 2)))

    def _show_line(self, line: Text) -> None:
        """Show a line (or the lines of an annotation) as it is: the terminal breaks what is too long, and not we."""
        for each in line.split():
            self._console.print(Text("  ") + each, soft_wrap=True)

    def _expect(self, claim: str, holds: bool) -> None:
        self._show(Text.assemble(("✓ ", "green") if holds else ("✗ ", "bold red"), claim))
        if not holds:
            self.failed.append(claim)


def built(directory: Path) -> list[Path]:
    """Build the sdist of this checkout and the wheel from that, with the locked backend; the wheel comes first."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(directory), str(ROOT)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=BUILD_SECONDS, env=own_environment()
    )
    if done.returncode:
        raise SystemExit(f"The build failed:\n{done.stdout}\n{done.stderr}")
    return [*directory.glob("*.whl"), *directory.glob("*.tar.gz")]


def inputs_for(server: Server) -> dict[str, str]:
    """Return the inputs that the step sets."""
    return {
        "repository-url": server.upload_url,
        "user": server.user,
        "password": server.password,
        "packages-dir": "dist",
    }


def step_of(server: PypiServer) -> str:
    """Return the step as its author would write it."""
    shown = inputs_for(server) | {"password": "${{ secrets.INDEX_PASSWORD }}"}
    lines = "\n".join(f"    {name}: {value}" for name, value in shown.items())
    return f"- uses: ./publish-action\n  with:\n{lines}"


def published(workspace: Path, runner_temp: Path, server: Server) -> Step:
    """Run the program with the environment of a GitHub runner, and collect what it wrote."""
    runner_temp.mkdir()
    output, summary = runner_temp / "output", runner_temp / "summary.md"
    output.touch()
    summary.touch()
    declared = yaml.safe_load(ROOT.joinpath("action.yml").read_text())["inputs"]
    # The runner passes every input that action.yml declares, with its default where the step sets none.
    inputs = {name: str(each.get("default", "")) for name, each in declared.items()} | inputs_for(server)
    environment = {f"INPUT_{name.upper()}": value for name, value in inputs.items()} | {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
        "RUNNER_TEMP": str(runner_temp),
    }
    done = subprocess.run(
        [sys.executable, "-Im", "entrypoint"],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=PUBLISH_SECONDS,
        env=own_environment(environment),
        cwd=workspace,
    )
    report: Mapping[str, Any] = {}
    with suppress(OSError, ValueError):
        report = json.loads((runner_temp / "publish-report.json").read_text(encoding="utf-8"))
    return Step(done.returncode, done.stdout, dict(outputs_in(output)), summary.read_text(encoding="utf-8"), report)


def outputs_in(file: Path) -> Iterator[tuple[str, str]]:
    """Yield names and values as the runner reads them: `name<<end`, lines, `end`."""
    for found in re.finditer(r"(?ms)^([^\n<]+)<<([^\n]+)\n(.*?)\n?^\2$", file.read_text(encoding="utf-8")):
        yield found[1], found[3]


def as_github_shows_it(log: str) -> Iterator[Text]:
    """Yield the lines of a log as the page of the run has them: workflow commands become what they stand for."""
    for line in log.splitlines():
        command = re.fullmatch(r"::([a-z-]+)(?: [^:]*)?::(.*)", line)
        if command is None:
            yield Text(line)
        elif command[1] in LEVELS:
            word, style = LEVELS[command[1]]
            yield Text.assemble((f"{word}: ", f"bold {style}"), unquote(command[2]))
        elif command[1] == "group":
            yield Text(f"▾ {unquote(command[2])}", style="bold")
        # The others (add-mask, endgroup) are not shown.


def abridged(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report without what the outputs have shown already."""
    head = {name: value for name, value in report.items() if isinstance(value, (str, int, float)) or value is None}
    files = [{name: record.get(name) for name in SHOWN_IN_REPORT} for record in report.get("files", [])]
    return {**head, "files": files}


def leaked(step: Step, password: str) -> bool:
    """Say whether a password is anywhere but in the commands that mask it."""
    log = "\n".join(line for line in step.log.splitlines() if not line.startswith("::add-mask::"))
    return any(password in text for text in (log, step.summary, json.dumps(step.report), *step.outputs.values()))


def sha256(path: Path) -> str:
    """Return the digest of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Run the demonstration in a directory of its own; return the exit status."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=FILE_COLUMNS)
    demo = Demo(console)
    with tempfile.TemporaryDirectory(prefix="publish-action-demo-") as directory:
        demo.run(Path(directory))
    console.print()
    if demo.failed:
        console.print(Text("Not as expected: " + "; ".join(demo.failed), style="bold red"))
        return 1
    console.print(Text("Everything was as expected.", style="bold green"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
