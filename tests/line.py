"""The whole line in one call: run the program as a workflow step would, and check what holds for every run."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import httpx
import jsonschema
import yaml

from entrypoint.__main__ import run
from entrypoint.patience import Clock
from entrypoint.runner import Runner
from tests.action.console import Annotation, Console
from tests.action.files import pairs
from tests.action.masks import Masker

ROOT = Path(__file__).parents[1]


class Server(Protocol):
    """An index that takes uploads with a password."""

    @property
    def upload_url(self) -> str:
        """Where uploads go."""

    @property
    def user(self) -> str:
        """User name."""

    @property
    def password(self) -> str:
        """Password."""


def to(server: Server) -> dict[str, str]:
    """Give the inputs for publishing to a server."""
    return {"repository-url": server.upload_url, "user": server.user, "password": server.password}


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left behind, as GitHub reads it."""

    status: int
    raw: str
    """Everything printed."""
    annotations: list[Annotation]
    outputs: Mapping[str, str]
    summary: str
    report: Any

    @property
    def states(self) -> dict[str, str]:
        """File name → state."""
        return {file["filename"]: file["state"] for file in self.report["files"]}

    @property
    def reasons(self) -> dict[str, str]:
        """File name → reason."""
        return {file["filename"]: file["reason"] or "" for file in self.report["files"]}

    @property
    def titles(self) -> list[str]:
        """Titles of the errors, of which there are as many as causes."""
        return [remark["title"] for remark in self.report["remarks"] if remark["level"] == "error"]

    def messages(self, level: str) -> list[str]:
        """Messages of the annotations of a level."""
        return [each.message for each in self.annotations if each.level == level]


def environment(workspace: Path, temp: Path, inputs: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that GitHub sets for a step."""
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_OUTPUT": str(temp / "output"),
        "GITHUB_STEP_SUMMARY": str(temp / "summary"),
        "RUNNER_TEMP": str(temp),
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
    }


def publish(
    workspace: Path,
    inputs: Mapping[str, str],
    *,
    transport: httpx.BaseTransport | None = None,
    env: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    secrets: Iterable[str] = (),
) -> Run:
    """Run the line in this process; it waits for nothing, unless a clock says otherwise.

    `secrets` may grow while it runs: nothing of them may be seen in the end.
    """
    temp = _temp(workspace)
    environ = environment(workspace, temp, inputs) | dict(env or {})
    status, raw = bare(environ, transport, clock)
    return examined(status, raw, temp, environ, secrets)


def bare(
    environ: Mapping[str, str], transport: httpx.BaseTransport | None = None, clock: Clock | None = None
) -> tuple[int, str]:
    """Run the line in this process and look at nothing: give the exit status and what was printed."""
    stream = io.StringIO()
    status = run(environ, Runner(environ, stream), transport, clock=clock or Waits().clock)
    return status, stream.getvalue()


class Waits:
    """A clock that jumps instead of waiting, and keeps the pauses."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        """Seconds, in their order."""
        self._ahead = 0.0

    @property
    def clock(self) -> Clock:
        """The clock."""
        return Clock(now=self._now, seconds=lambda: time.monotonic() + self._ahead, sleep=self._sleep)

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._ahead += seconds


def publish_process(
    workspace: Path,
    inputs: Mapping[str, str],
    *,
    env: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
) -> Run:
    """Run the program as a process of its own, with nothing but a step's environment."""
    temp = _temp(workspace)
    environ = environment(workspace, temp, inputs) | dict(env or {})
    finished = subprocess.run(
        [sys.executable, "-Im", "entrypoint"],
        env=environ,
        cwd=workspace,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return examined(finished.returncode, finished.stdout.decode(), temp, environ, secrets)


def examined(status: int, raw: str, temp: Path, environ: Mapping[str, str], secrets: Iterable[str] = ()) -> Run:
    """Read what a run left as GitHub does, and check what holds for every run, good or bad."""
    console = Console(Masker())
    for line in raw.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        console.read(line)
    outputs = dict(pairs((temp / "output").read_text(encoding="utf-8")))
    summary = (temp / "summary").read_text(encoding="utf-8")
    document = (temp / "publish-report.json").read_text(encoding="utf-8")
    report = json.loads(document)

    assert "Traceback" not in raw, raw
    assert not console.failed, "a line of the log was taken for a command that GitHub does not carry out"
    assert {command.name for command in console.commands} <= {
        "add-mask",
        "error",
        "warning",
        "notice",
        "group",
        "endgroup",
    }
    assert not console.dropped, "annotations past GitHub's limit"
    assert all(group.closed for group in console.groups)
    validator().validate(report)
    assert set(outputs) == set(declared_outputs())
    assert report["exit_status"] == status
    assert (outputs["outcome"] == "failed") == (status != 0)
    assert bool([each for each in console.annotations if each.level == "error"]) == (status != 0)
    counted = sum(int(outputs[each]) for each in ("uploaded", "already-present", "skipped", "failed"))
    assert counted == sum(file["state"] != "planned" for file in report["files"])
    for each in console.annotations:
        assert each.title
        assert each.message
    for secret in secrets_of(environ) | {spelling for each in secrets for spelling in spellings(each)}:
        told = "\n".join(line for line in raw.split("\n") if not line.startswith("::add-mask::"))
        for text in (told, *outputs.values(), summary, document):
            assert secret not in text
    return Run(status, raw, console.annotations, outputs, summary, report)


def secrets_of(environ: Mapping[str, str]) -> set[str]:
    """Give every spelling of the secrets among the inputs."""
    password = environ.get("INPUT_PASSWORD", "").strip()
    if len(password) < 4:
        return set()
    user = environ.get("INPUT_USER", "__token__")
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {password, quote(password, safe=""), json.dumps(password)[1:-1], basic}


def spellings(secret: str) -> set[str]:
    """Give the forms in which a secret may be seen: as it is, encoded, and as the password of the usual users."""
    users = ("__token__", "oauth2accesstoken")
    basic = {base64.b64encode(f"{user}:{secret}".encode()).decode() for user in users}
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    } | basic


@cache
def schema() -> Any:
    """Read the report's schema out of its documentation."""
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    return json.loads(text.partition("## Schema")[2].partition("```json\n")[2].partition("```")[0])


@cache
def validator() -> jsonschema.Draft202012Validator:
    """Make what reports are checked with."""
    return jsonschema.Draft202012Validator(schema())


@cache
def declared_outputs() -> frozenset[str]:
    """Read the names of the outputs from action.yml."""
    return frozenset(yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["outputs"])


def _temp(workspace: Path) -> Path:
    temp = workspace.parent / f"{workspace.name}-temp"
    temp.mkdir(exist_ok=True)
    for old in ("output", "summary", "publish-report.json"):
        (temp / old).unlink(missing_ok=True)
    return temp
