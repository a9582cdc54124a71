"""A step: one run of the action with everything that a GitHub runner does around it, and what GitHub keeps of it.

The order of things is that of actions/runner 2.336: `ActionRunner.cs`, `StepsRunner.cs`, `FileCommandManager.cs`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.action import files
from tests.action.commands import Command, cut
from tests.action.console import Annotation, Console, Group, StepEnds
from tests.action.definition import DEFAULT_CONTEXTS, Definition, evaluated, load
from tests.action.job import RELEASE, RUNTIME_TOKEN, Job
from tests.action.machines import Machine, launched
from tests.action.masks import Masker
from tests.action.process import Pauses, follow

Conclusion = Literal["success", "failure", "cancelled"]
Value = str | bool | int | float | None
Moment = float | Callable[[], object]
"""Seconds from the start of the step, or a function that returns when the moment has come."""

BLOCKED = "NODE_OPTIONS"
"""A name that `GITHUB_ENV` does not take."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What GitHub keeps of a step, and what a test wants to know besides."""

    exit_code: int | None
    """`None` where the container did not start, or the runner gave the step up."""
    conclusion: Conclusion
    outputs: Mapping[str, str]
    """Everything that was set, declared or not."""
    undeclared_outputs: frozenset[str]
    """Names that action.yml does not have."""
    lost_outputs: frozenset[str]
    """Names whose values hold a mask: they would be empty as outputs of the job."""
    annotations: Sequence[Annotation]
    """Those that are shown, the runner's own included."""
    dropped: Sequence[Annotation]
    """Those past the limit, which are in the log only."""
    groups: Sequence[Group]
    masks: Sequence[str]
    summary: str | None
    """`None` where nothing was uploaded."""
    summary_size: int
    """Bytes that the step wrote."""
    env: Mapping[str, str]
    path: Sequence[str]
    state: Mapping[str, str]
    commands: Sequence[Command]
    """Every command that was executed, in the order of the lines."""
    environ: Mapping[str, str]
    """The container's environment, as it was handed over."""
    log: str
    """What GitHub shows."""
    raw_log: Sequence[str]
    """The lines as printed, before masking."""
    seconds: float
    """Time from the start of the process to its end."""
    temp: Path
    """The host's side of `RUNNER_TEMP`."""

    def messages(self, level: str) -> list[str]:
        """Give the messages of the annotations of one level that GitHub shows."""
        return [annotation.message for annotation in self.annotations if annotation.level == level]

    def exposures(self, secret: str) -> list[str]:
        """Give every text that leaves the step with a secret in it; the command that masks it is none."""
        printed = [line for line in self.raw_log if not line.lstrip().lower().startswith("::add-mask::")]
        noted = [text for note in (*self.annotations, *self.dropped) for text in (note.title, note.file, note.message)]
        kept = [*self.outputs.values(), *self.state.values(), *self.env.values(), *self.path, self.summary or ""]
        return [text for text in (*printed, *noted, *kept, self.log) if secret in text]


def run_step(  # noqa: PLR0913 - one for each thing that a workflow, or GitHub, brings to a step
    action_dir: Path,
    *,
    workspace: Path,
    runner: Machine,
    with_: Mapping[str, Value] | None = None,
    env: Mapping[str, str] | None = None,
    event: Mapping[str, object] | None = None,
    github: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    state: Mapping[str, str] | None = None,
    id_token_url: str | None = None,
    debug: bool = False,
    cancel_after: Moment | None = None,
    pauses: Pauses | None = None,
    timeout: float = 300,
) -> StepResult:
    """Run the action in `action_dir` as one step, and give what GitHub keeps of it.

    `with_` and `env` are the step's, and may use `${{ }}`. `event` is the payload of the event, `github` changes the
    context of the same name, `state` is what an earlier phase of the action saved, `id_token_url` stands for
    `id-token: write`. `cancel_after` cancels the step; after `timeout` seconds it is ended by the same signals, and
    fails. Steps whose workspaces have the same parent folder are steps of one job.
    """
    definition = load(action_dir)
    job = Job(workspace, event or {}, github or {}, secrets or {}, id_token_url, debug)
    masker = Masker()
    for secret in (RUNTIME_TOKEN, RELEASE["token"], *job.secrets.values()):
        masker.add(secret)
    console = Console(masker, workspace=str(workspace), to_host=job.to_host, debug=debug)
    fresh = job.lay_out()
    contexts = job.contexts(fresh)
    step_env = {name: evaluated(value, contexts) for name, value in (env or {}).items()}
    contexts["env"] = step_env
    inputs = _inputs(definition, with_ or {}, contexts, console)
    environ = job.environ(definition, contexts, inputs, step_env, state or {})
    with launched(runner, environ, job.mounts, definition.entrypoint) as launch:
        ending = _Ending(cancel_after, timeout)
        started = time.monotonic()
        exit_code = None
        try:
            exit_code = follow(
                launch.command, launch.environ, console.read, cancelled=ending.event, pauses=pauses or Pauses()
            )
        except OSError as error:  # an environment of more than the kernel takes, for one
            console.issue("error", str(error))
            console.failed = True
        except StepEnds:
            console.failed = True
        seconds = time.monotonic() - started
        why = ending.over()
    if why == "timeout":
        console.issue("error", f"The action '{definition.name}' has timed out after {timeout / 60:g} minutes.")
    kept = _kept(console, fresh)
    declared = {name.lower() for name in definition.outputs}
    return StepResult(
        exit_code=exit_code,
        conclusion=_conclusion(why, succeeded=exit_code == 0 and not console.failed),
        outputs=console.outputs,
        undeclared_outputs=frozenset(name for name in console.outputs if name.lower() not in declared),
        lost_outputs=frozenset(name for name, value in console.outputs.items() if masker.mask(value) != value),
        annotations=console.annotations,
        dropped=console.dropped,
        groups=console.groups,
        masks=masker.values,
        summary=kept.summary,
        summary_size=kept.summary_size,
        env=kept.env,
        path=kept.path,
        state=console.state,
        commands=console.commands,
        environ=environ,
        log="\n".join(console.log),
        raw_log=console.raw,
        seconds=seconds,
        temp=job.temp,
    )


class _Ending:
    """What ends a step from outside, if anything does: it is cancelled, or its time is up."""

    def __init__(self, cancel_after: Moment | None, timeout: float) -> None:
        self.event = threading.Event()
        self._why: Literal["cancelled", "timeout"] | None = None
        self._timer = threading.Timer(timeout, self._end, ["timeout"])
        self._timer.daemon = True
        self._timer.start()
        if cancel_after is not None:
            threading.Thread(target=self._cancel, args=[cancel_after], daemon=True).start()

    def _cancel(self, moment: Moment) -> None:
        moment() if callable(moment) else time.sleep(moment)
        self._end("cancelled")

    def _end(self, why: Literal["cancelled", "timeout"]) -> None:
        self._why = self._why or why
        self.event.set()

    def over(self) -> Literal["cancelled", "timeout"] | None:
        """Stop waiting, and give what ended the step."""
        self._timer.cancel()
        return self._why


def _conclusion(why: str | None, *, succeeded: bool) -> Conclusion:
    if why == "cancelled":
        return "cancelled"
    return "success" if succeeded and why is None else "failure"


def _inputs(
    definition: Definition, given: Mapping[str, Value], contexts: Mapping[str, object], console: Console
) -> dict[str, str]:
    """Give every input its value: names ignore case, a declared one always exists, an unknown one is passed on."""
    inputs = {name: evaluated(value, contexts) for name, value in given.items()}
    declared = {name.lower(): about for name, about in definition.inputs.items()}
    for name in inputs:
        if (about := declared.get(name.lower())) and about.deprecation is not None:
            console.issue("warning", f"Input '{name}' has been deprecated with message: {about.deprecation}")
    valid = ["entryPoint", "args", *definition.inputs]
    if unknown := [name for name in inputs if name.lower() not in map(str.lower, valid)]:
        names, known = "', '".join(unknown), "', '".join(valid)
        console.issue("warning", f"Unexpected input(s) '{names}', valid inputs are ['{known}']")
    named = {name.lower() for name in inputs}
    for name, about in definition.inputs.items():
        if name.lower() not in named:
            inputs[name] = evaluated(about.default, contexts, DEFAULT_CONTEXTS)
    return inputs


@dataclass(slots=True)
class _Kept:
    """What the file commands left, besides the outputs and the state, which the console knows."""

    path: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    summary: str | None = None
    summary_size: int = 0


def _kept(console: Console, fresh: Mapping[str, Path]) -> _Kept:
    kept = _Kept()
    for name, path in fresh.items():
        text = files.text_of(path)
        try:
            if name == "path":
                for line in filter(None, cut(text)):
                    kept.path = [other for other in kept.path if other != line] + [line]
            elif name == "step_summary":
                kept.summary_size = path.stat().st_size if path.exists() else 0
                kept.summary = _summary(text, kept.summary_size, console)
            else:
                for key, value in files.pairs(text):
                    _keep(name, key, value, console, kept)
        except files.FileCommandError as error:
            console.fail(f"file command '{name}'", error)
    return kept


def _keep(name: str, key: str, value: str, console: Console, kept: _Kept) -> None:
    if name == "output":
        console.set_output(key, value)
    elif name == "state":
        console.state[key] = value
    elif key.upper() == BLOCKED:
        console.issue("error", f"Can't store {BLOCKED} output parameter using '$GITHUB_ENV' command.")
    else:
        kept.env[key] = value


def _summary(text: str, size: int, console: Console) -> str | None:
    if size > files.SUMMARY_LIMIT:
        limit = files.SUMMARY_LIMIT // 1024
        console.issue(
            "error",
            f"$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of {limit}k, got {size // 1024}k.",
        )
        return None
    return "".join(f"{console.masker.mask(line)}\n" for line in cut(text)) if size else None
