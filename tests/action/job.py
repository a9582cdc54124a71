"""A job: the folders a step's container shares with the runner, its contexts, and the environment made of them.

Folders, mounts and their order are those of actions/runner 2.336: `ContainerActionHandler.cs`, `ContainerInfo.cs`,
`GitHubContext.cs`, `ActionRunner.cs`. Nothing of the caller's environment gets in.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.action.definition import Definition, evaluated
from tests.action.files import FILES

GITHUB_VARIABLES = (
    "action", "action_path", "action_ref", "action_repository", "actor", "actor_id", "api_url", "base_ref", "env",
    "event_name", "event_path", "graphql_url", "head_ref", "job", "output", "path", "ref", "ref_name",
    "ref_protected", "ref_type", "repository", "repository_id", "repository_owner", "repository_owner_id",
    "retention_days", "run_attempt", "run_id", "run_number", "server_url", "sha", "state", "step_summary",
    "triggering_actor", "workflow", "workflow_ref", "workflow_sha", "workspace",
)  # fmt: skip
"""What of the github context becomes `GITHUB_…`; the token is not among it."""

RELEASE = {
    "action": "__self",
    "actor": "mona",
    "actor_id": "583231",
    "api_url": "https://api.github.com",
    "base_ref": "",
    "event_name": "release",
    "graphql_url": "https://api.github.com/graphql",
    "head_ref": "",
    "job": "publish",
    "ref": "refs/tags/v1.0",
    "ref_name": "v1.0",
    "ref_protected": "false",
    "ref_type": "tag",
    "repository": "octo-org/sample",
    "repository_id": "1296269",
    "repository_owner": "octo-org",
    "repository_owner_id": "6811672",
    "retention_days": "90",
    "run_attempt": "1",
    "run_id": "17000000001",
    "run_number": "7",
    "server_url": "https://github.com",
    "sha": "0123456789abcdef0123456789abcdef01234567",
    "token": "ghs_tokenOfThisJob",
    "triggering_actor": "mona",
    "workflow": "Release",
    "workflow_ref": "octo-org/sample/.github/workflows/release.yml@refs/tags/v1.0",
    "workflow_sha": "0123456789abcdef0123456789abcdef01234567",
}
"""The github context of a release in a repository that does not exist."""

RUNTIME_TOKEN = "runtime-token-of-this-job"
"""Value of `ACTIONS_RUNTIME_TOKEN`, and of the token that asks for an ID token: they are the same."""


@dataclass(frozen=True)
class Job:
    """One job with one repository. Its temporary folder, with the home of all steps, lies beside the workspace."""

    workspace: Path
    event: Mapping[str, object] = field(default_factory=dict)
    github: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    id_token_url: str | None = None
    debug: bool = False

    @property
    def temp(self) -> Path:
        """The host's side of `RUNNER_TEMP`."""
        return self.workspace.parent / "_temp"

    @property
    def mounts(self) -> dict[str, str]:
        """Folder of the host → folder of the container; where several fit a path, the last one holds."""
        return {
            str(self.temp): "/github/runner_temp",
            str(self.temp / "_github_home"): "/github/home",
            str(self.temp / "_github_workflow"): "/github/workflow",
            str(self.temp / "_runner_file_commands"): "/github/file_commands",
            str(self.workspace): "/github/workspace",
        }

    def to_container(self, value: str) -> str:
        """Translate a value that is a mounted folder, or begins with one and a slash."""
        return _translated(value, [*self.mounts.items()])

    def to_host(self, value: str) -> str:
        """Translate back."""
        return _translated(value, [(container, host) for host, container in self.mounts.items()])

    def lay_out(self) -> dict[str, Path]:
        """Make the folders, the file of the event and a fresh file for each file command; give the latter."""
        for folder in self.mounts:
            Path(folder).mkdir(parents=True, exist_ok=True)
        (self.temp / "_github_workflow" / "event.json").write_text(json.dumps(self.event), encoding="utf-8")
        suffix = uuid.uuid4()
        commands = self.temp / "_runner_file_commands"
        fresh = {name: commands / f"{prefix}{suffix}" for name, prefix in FILES.items()}
        for path in fresh.values():
            path.touch()
        return fresh

    def contexts(self, fresh: Mapping[str, Path]) -> dict[str, Mapping[str, object]]:
        """Give what `${{ }}` can refer to; paths are the host's. Strategy, matrix and the like are empty."""
        return {
            "github": {
                **RELEASE,
                **self.github,
                **{name: str(path) for name, path in fresh.items()},
                "event": self.event,
                "event_path": str(self.temp / "_github_workflow" / "event.json"),
                "workspace": str(self.workspace),
            },
            "runner": {
                "os": "Linux",
                "arch": "X64",
                "name": "GitHub Actions 1",
                "environment": "github-hosted",
                "tool_cache": "/opt/hostedtoolcache",
                "temp": str(self.temp),
                "workspace": str(self.workspace.parent),
                **({"debug": "1"} if self.debug else {}),
            },
            "secrets": self.secrets,
        }

    def environ(
        self,
        definition: Definition,
        contexts: Mapping[str, Mapping[str, object]],
        inputs: Mapping[str, str],
        env: Mapping[str, str],
        state: Mapping[str, str],
    ) -> dict[str, str]:
        """Give the container's environment: what comes later wins, and every value is translated."""
        given = {
            "CI": "true",
            **env,
            **{f"STATE_{name}": value for name, value in state.items()},
            **{f"INPUT_{name.replace(' ', '_').upper()}": value for name, value in inputs.items()},
        }
        own = {name: evaluated(value, {**contexts, "inputs": inputs}) for name, value in definition.env.items()}
        github, runner = contexts["github"], contexts["runner"]
        environ = {
            **own,  # only where a workflow says nothing else
            **given,
            "HOME": str(self.temp / "_github_home"),
            **{f"GITHUB_{name.upper()}": str(github[name]) for name in GITHUB_VARIABLES if name in github},
            **{f"RUNNER_{name.upper()}": str(value) for name, value in runner.items()},
            "ACTIONS_RUNTIME_URL": "https://pipelines.actions.invalid/",
            "ACTIONS_RUNTIME_TOKEN": RUNTIME_TOKEN,
            "ACTIONS_RESULTS_URL": "https://results-receiver.actions.invalid/",
        }
        if self.id_token_url:
            environ["ACTIONS_ID_TOKEN_REQUEST_URL"] = self.id_token_url
            environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = RUNTIME_TOKEN
        environ["GITHUB_ACTIONS"] = "true"
        return {name: self.to_container(value) for name, value in environ.items()}


def _translated(value: str, mappings: list[tuple[str, str]]) -> str:
    for source, target in reversed(mappings):
        if value == source or value.startswith(source + "/"):
            return target + value.removeprefix(source)
    return value
