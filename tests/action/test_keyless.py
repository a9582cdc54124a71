"""The two one-step flows, as a workflow runs them: production URLs, a proxy, and not a secret in sight."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.action.job import RUNTIME_TOKEN
from tests.action.machines import Machine
from tests.action.step import StepResult
from tests.action.test_publish import machine, states, step, workspace
from tests.distributions import make_sdist, make_wheel
from tests.peers.world import World, running_world

__all__ = ["machine", "workspace"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a world in which the job of these tests is known to PyPI and to Google."""
    with running_world(tmp_path / "world") as world:
        world.github.request_token = world.journal.secret(RUNTIME_TOKEN)
        world.pypi.trust(world.github, "demo")
        yield world


def keyless(machine: Machine, workspace: Path, world: World, with_: Mapping[str, str]) -> StepResult:
    """Run one step that has `id-token: write` and no secret, and look for the secrets of everybody else."""
    (workspace / "ca.pem").write_bytes(world.ca_file.read_bytes())
    url = world.github.job()["ACTIONS_ID_TOKEN_REQUEST_URL"]
    env = {"HTTPS_PROXY": world.proxy_url, "SSL_CERT_FILE": "${{ github.workspace }}/ca.pem"}
    result = step(machine, workspace, with_, env, id_token_url=url)
    report = (result.temp / "publish-report.json").read_text(encoding="utf-8")
    for secret in world.journal.secrets:
        assert not result.exposures(secret)
        assert secret not in report
    return result


def test_pypi(machine: Machine, workspace: Path, world: World) -> None:
    """Without a secret the job publishes to PyPI as a trusted publisher, attests its files, gives its token back."""
    wheel, sdist = make_wheel(workspace / "dist", "demo"), make_sdist(workspace / "dist", "demo")
    world.sigstore.write_trust_config(workspace / "trust.json")
    result = keyless(machine, workspace, world, {"sigstore-trust-config": "trust.json"})
    assert (result.exit_code, result.conclusion) == (0, "success")
    assert states(result) == {wheel.name: "uploaded", sdist.name: "uploaded"}
    assert {file.filename for file in world.pypi.files} == {wheel.name, sdist.name}
    assert [token.value for token in world.pypi.burnt] == [token.value for token in world.pypi.minted]
    assert len(world.pypi.minted) == 1
    assert result.outputs["url"] == "https://pypi.org/project/demo/1.0/"
    assert all(file.attestations for file in world.pypi.files)
    logs = [log for file in json.loads(result.outputs["files"]) for log in file["attestations"]]
    assert sorted(logs) == [entry.url for entry in world.sigstore.entries[-2:]]
    assert not world.pypi.violations


def test_sigstore_cannot_be_reached(machine: Machine, workspace: Path, world: World) -> None:
    """Where the public Sigstore gives no certificate the release goes on, and a warning says so."""
    wheel = make_wheel(workspace / "dist", "demo")
    world.faults.set("fulcio-denied", True)
    result = keyless(machine, workspace, world, {"retries": "0"})
    assert (result.exit_code, states(result)) == (0, {wheel.name: "uploaded"})
    (warning,) = result.messages("warning")
    assert "The release goes on without attestations." in warning
    assert not any(file.attestations for file in world.pypi.files)


def test_pypi_does_not_know_the_job(machine: Machine, workspace: Path, world: World) -> None:
    """A job that no publisher matches is told what PyPI knows it by, and nothing is sent."""
    make_wheel(workspace / "dist", "demo")
    world.pypi.publishers.clear()
    result = keyless(machine, workspace, world, {"attestations": "false"})
    assert (result.exit_code, result.outputs["outcome"]) == (2, "failed")
    (message,) = result.messages("error")
    for told in ("invalid-publisher", "octo-org", "octo-repo", "release.yml", "https://pypi.org/manage/project/demo/"):
        assert told in message
        assert told in (result.summary or "")
    assert not world.pypi.files


def test_artifact_registry(machine: Machine, workspace: Path, world: World) -> None:
    """With a provider the job publishes to Artifact Registry: no other action, no credentials file."""
    wheel = make_wheel(workspace / "dist", "demo")
    url = world.google.repository.url
    with_ = {"repository-url": url, "google-workload-identity-provider": world.google.provider.name}
    assert states(keyless(machine, workspace, world, with_)) == {wheel.name: "uploaded"}
    assert states(keyless(machine, workspace, world, with_)) == {wheel.name: "already-present"}
    assert wheel.name in world.google.repository.files
    assert not world.google.violations


def test_after_google_github_actions_auth(machine: Machine, workspace: Path, world: World) -> None:
    """What google-github-actions/auth leaves in the workspace is used as it is, and by its path in the container."""
    wheel = make_wheel(workspace / "dist", "demo")
    left = world.google.auth_action(workspace, service_account=world.google.account.email)
    left_behind = {name: value.replace(str(workspace), "${{ github.workspace }}") for name, value in left.items()}
    (workspace / "ca.pem").write_bytes(world.ca_file.read_bytes())
    env = {"HTTPS_PROXY": world.proxy_url, "SSL_CERT_FILE": "${{ github.workspace }}/ca.pem", **left_behind}
    url = world.github.job()["ACTIONS_ID_TOKEN_REQUEST_URL"]
    with_ = {"repository-url": world.google.repository.url}
    result = step(machine, workspace, with_, env, id_token_url=url)
    assert json.loads(result.outputs["files"])[0]["state"] == "uploaded", result.log
    assert wheel.name in world.google.repository.files
    for secret in world.journal.secrets:
        assert not result.exposures(secret)
