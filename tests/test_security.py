"""The documents on security: which hosts are asked in which configuration, and what permissions a job needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from entrypoint.attestations import signing
from entrypoint.attestations.signing import Repository
from tests.google.job import Job
from tests.line import ROOT, Run
from tests.peers.world import World, running_world
from tests.peers.world.google_cloud import CLOUD_PLATFORM
from tests.peers.world.sigstore_tuf import Tuf
from tests.test_recipes import OURS, RECIPES
from tests.test_troubleshooting import steps
from tests.trusted import publish_in, release

SECURITY = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows(text: str, heading: str) -> dict[str, str]:
    """Read the first table under a heading, of two columns, without its head."""
    lines = text.partition(f"\n## {heading}\n")[2].partition("\n| ")[2].partition("\n\n")[0].splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {first.strip(): second.strip() for first, second in cells}


HOSTS = {
    configuration: set(re.findall(r"`([\w.*-]+\.[a-z]+)`", hosts))
    for configuration, hosts in rows(SECURITY, "Which hosts are contacted").items()
    if hosts.startswith("`")
}
"""Configuration → hosts, where they are named."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Run a world in which the job may publish `demo`, and in which Sigstore's public instance is played."""
    with running_world(tmp_path / "world") as running:
        for index in (running.pypi, running.testpypi):
            index.trust(running.github, "demo")
        tuf = Tuf(running, running.sigstore.trust_config(public_names=True))
        running.add(tuf)
        monkeypatch.setattr(signing, "Repository", lambda: Repository(tuf.url, tuf.root))
        yield running


Configuration = Callable[[World, Path], Run]


def on(index: str, **inputs: str) -> Configuration:
    """Publish to PyPI or TestPyPI as a trusted publisher, and wait until everything is served."""

    def run(world: World, workspace: Path) -> Run:
        release(workspace)
        given = {"index": index, "wait-for-index": "5"} | {
            name.replace("_", "-"): value for name, value in inputs.items()
        }
        return publish_in(world, workspace, given)

    return run


def with_token(index: str) -> Configuration:
    """Publish there with an API token."""

    def run(world: World, workspace: Path) -> Run:
        token = (world.pypi if index == "pypi" else world.testpypi).api_token()
        return on(index, password=token, attestations="true")(world, workspace)

    return run


def google(do: Callable[[Job], Run]) -> Configuration:
    """Publish to Artifact Registry."""
    return lambda world, workspace: do(Job(world, workspace))


def after_auth(*, as_account: bool) -> Configuration:
    """Publish there after google-github-actions/auth."""

    def run(job: Job) -> Run:
        account = job.google.account.email if as_account else None
        left = job.google.auth_action(job.workspace, service_account=account)
        return job.publish(job.to, env=job.world.github.job_without_permission() | left)

    return google(run)


def with_key(job: Job) -> Run:
    """Publish there with a service account key."""
    return job.publish(job.to | {"google-credentials-json": json.dumps(job.google.service_account_key())})


def with_login(job: Job) -> Run:
    """Publish there with a developer's login."""
    file = job.workspace / "login.json"
    file.write_text(json.dumps(job.google.authorized_user()), encoding="utf-8")
    return job.publish(job.to, env={"GOOGLE_APPLICATION_CREDENTIALS": str(file)})


def on_a_machine(job: Job) -> Run:
    """Publish there from a machine of Google's."""
    with job.google.metadata_server() as at:
        environ = job.world.github.job_without_permission(RUNNER_ENVIRONMENT="self-hosted", GCE_METADATA_HOST=at)
        return job.publish(job.to, env=environ)


def with_access_token(job: Job) -> Run:
    """Publish there with a token that somebody else fetched."""
    token = job.google.cloud.issue("c", [job.google.account.member], [CLOUD_PLATFORM], 3600).token
    return job.publish(job.to | {"password": token})


RUNS: list[tuple[str, Configuration]] = [
    ("PyPI, trusted publishing (the default)", on("pypi", attestations="required")),
    ("PyPI, trusted publishing, `attestations: false`", on("pypi", attestations="false")),
    ("PyPI, API token", with_token("pypi")),
    ("PyPI, `dry-run: true`", on("pypi", attestations="true", dry_run="true")),
    ("TestPyPI, trusted publishing", on("testpypi", attestations="required")),
    ("TestPyPI, trusted publishing, `attestations: false`", on("testpypi", attestations="false")),
    ("TestPyPI, API token", with_token("testpypi")),
    (
        "Artifact Registry, provider, or google-github-actions/auth with one",
        google(lambda job: job.publish(job.keyless)),
    ),
    ("Artifact Registry, provider, or google-github-actions/auth with one", after_auth(as_account=False)),
    ("Artifact Registry, the same with a service account", google(lambda job: job.publish(job.as_account))),
    ("Artifact Registry, the same with a service account", after_auth(as_account=True)),
    ("Artifact Registry, service account key or a developer's login", google(with_key)),
    ("Artifact Registry, service account key or a developer's login", google(with_login)),
    ("Artifact Registry, metadata server", google(on_a_machine)),
    ("Artifact Registry, access token as `password`", google(with_access_token)),
]


def test_every_configuration_is_run() -> None:
    """Each row of the document that names hosts has a run, and each run a row."""
    assert {configuration for configuration, _ in RUNS} == set(HOSTS)


@pytest.mark.parametrize(("configuration", "run"), RUNS, ids=[f"{n}-{row}" for n, (row, _) in enumerate(RUNS)])
def test_hosts(world: World, tmp_path: Path, configuration: str, run: Configuration) -> None:
    """A run asks the hosts that the document lists for its configuration: no others, and all of them."""
    ours = run(world, tmp_path / "w")
    assert ours.status == 0, ours.raw
    assert {entry.status for entry in world.journal.entries} <= {200, 201, 202, 204, 404}
    patterns = {host.replace("LOCATION", "*") for host in HOSTS[configuration]}
    asked = {entry.host.partition(":")[0] for entry in world.journal.entries}
    assert [host for host in asked if not any(fnmatchcase(host, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatchcase(host, pattern) for host in asked)] == []


IDENTITY = "pipelines.actions.githubusercontent.com"
SIGSTORE = {"tuf-repo-cdn.sigstore.dev", "fulcio.sigstore.dev", "rekor.sigstore.dev"}
OTHER: list[tuple[dict[str, str], set[str]]] = [
    ({"password": "api token"}, set()),
    ({"trusted-publishing": "always"}, {IDENTITY}),
    ({"trusted-publishing": "always", "attestations": "required"}, {IDENTITY, *SIGSTORE}),
    ({"password": "api token", "attestations": "required"}, {IDENTITY, *SIGSTORE}),
]


@pytest.mark.parametrize(("inputs", "more"), OTHER, ids=["token", "publisher", "publisher-signed", "token-signed"])
def test_hosts_of_another_index(world: World, tmp_path: Path, inputs: dict[str, str], more: set[str]) -> None:
    """Another index is asked at its own host, GitHub for an identity that is needed, and Sigstore where it must be."""
    index = world.discovery
    index.trust(world.github, "demo")
    release(tmp_path / "w")
    given = {name: index.api_token() if value == "api token" else value for name, value in inputs.items()}
    urls = {"repository-url": index.upload_url, "check-url": index.simple_url}
    ours = publish_in(world, tmp_path / "w", urls | given)
    assert ours.status == 0, ours.raw
    assert {entry.host for entry in world.journal.entries} == {index.location, *more}


def test_a_dry_run_asks_nobody(world: World, tmp_path: Path) -> None:
    """Where it takes a fetched token to read the index, a dry run asks nobody."""
    job = Job(world, tmp_path / "w")
    assert job.publish(job.keyless | {"dry-run": "true"}).status == 0
    assert world.journal.entries == []


def permissions(job: Any) -> set[str]:
    """Say what a job needs that publishes, as the README has it: its identity, and a checkout's read."""
    uses = [str(step["uses"]) for step in steps(job)]
    given = [step.get("with", {}) for step in steps(job) if step["uses"] == OURS]
    needed = set() if all(each.get("dry-run") for each in given) else {"id-token"}
    return needed | ({"contents"} if any(each.startswith("actions/checkout@") for each in uses) else set())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_permissions_of_recipes(recipe: Path) -> None:
    """Jobs of the recipes that publish have the permissions that the README's table says, and no others."""
    workflow = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    for job in workflow["jobs"].values():
        if any(step["uses"] == OURS for step in steps(job)):
            assert set(job["permissions"]) == permissions(job)


def test_permissions() -> None:
    """The README's table knows two answers: the identity, or nothing."""
    table = rows(README, "Permissions")
    assert len(table) >= 5
    assert set(table.values()) == {"`id-token: write`", "none"}


def test_private_reports() -> None:
    """Who finds a vulnerability is led to where it is told privately, and the document leads there."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "/security/advisories/new" in text
    assert "(../SECURITY.md)" in SECURITY
