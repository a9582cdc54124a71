"""Trusted publishing from other systems than GitHub's: whole runs in the world, with what `id` looks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import urllib3

from entrypoint.credentials import ambient, trusted_publishing
from entrypoint.errors import CredentialError
from tests.contexts import context
from tests.distributions import make_sdist, make_wheel
from tests.line import bare, environment, spellings
from tests.peers.scripted import Answer
from tests.peers.world import World, running_world
from tests.trusted import ONE_FILE, publish_in, right, steps

GITLAB = {"GITHUB_ACTIONS": "", "GITLAB_CI": "true"}
WITHOUT_ID_TOKEN = [each for each in ONE_FILE if each != "ID token"]


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on no machine of Google's and on no other system, whatever this one is."""
    monkeypatch.setattr("id._internal.oidc.ambient._GCP_PRODUCT_NAME_FILE", "/nowhere")
    for name in [*ambient.SYSTEMS, "PYPI_ID_TOKEN", "TESTPYPI_ID_TOKEN"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a world in which PyPI knows GitLab, and what GitHub's job may do, GitLab's may."""
    with running_world(tmp_path / "world") as running:
        running.pypi.issuers["https://gitlab.com"] = running.github.keys
        running.pypi.trust(running.github, "demo")
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return the folder of a job with one wheel."""
    make_wheel(tmp_path / "w" / "dist", "demo")
    return tmp_path / "w"


def job(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> dict[str, str]:
    """Let this process be a job with these variables: `id` reads no others."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return {"GITHUB_ACTIONS": ""} | dict(variables)


def gitlab(world: World, **claims: Any) -> dict[str, str]:
    """Give the variables of a job of GitLab's that declares an ID token for PyPI."""
    return GITLAB | {"PYPI_ID_TOKEN": world.github.token("pypi", iss="https://gitlab.com", **claims)}


def failed(
    world: World, workspace: Path, env: Mapping[str, str], inputs: Mapping[str, str] | None = None
) -> tuple[int, str, Any]:
    """Publish where it cannot be, outside of GitHub's: give exit status, log, and the files of the report."""
    temp = workspace.parent / "temp"
    temp.mkdir()
    environ = environment(workspace, temp, {"attestations": "false"} | dict(inputs or {})) | dict(env)
    with world.transport() as transport:
        status, raw = bare(environ, transport)
    right(world)
    report = (temp / "publish-report.json").read_text(encoding="utf-8")
    for secret in world.journal.secrets:
        assert not [each for each in spellings(secret) if each in raw or each in report]
    assert "Traceback" not in raw
    return status, raw, json.loads(report)["files"]


def test_gitlab(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of GitLab's publishes with the token that it declares, and GitHub is not asked."""
    ours = publish_in(world, workspace, env=job(monkeypatch, gitlab(world)))
    assert (ours.status, set(ours.states.values())) == (0, {"uploaded"})
    assert steps(world) == WITHOUT_ID_TOKEN
    assert len(world.pypi.burnt) == 1
    assert "::" not in ours.raw


def test_gitlab_without_the_variable(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is not declared is told by its name, with what to write."""
    status, raw, _ = failed(world, workspace, job(monkeypatch, GITLAB))
    assert status == 2
    assert "error: No ID token from this system" in raw
    assert "Environment variable PYPI_ID_TOKEN not found." in raw
    assert "`id_tokens: {PYPI_ID_TOKEN: {aud: pypi}}`" in raw
    assert steps(world) == ["read", "audience"]


@pytest.mark.parametrize("wrong", ["somebody-else", None])
def test_gitlab_with_a_wrong_variable(
    wrong: str | None, world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token for somebody else, or none at all, goes nowhere and is not shown."""
    token = world.github.token(wrong) if wrong else world.journal.secret("not-a-token-but-secret")
    status, raw, _ = failed(world, workspace, job(monkeypatch, GITLAB | {"PYPI_ID_TOKEN": token}))
    assert status == 2
    assert "error: No ID token from this system" in raw
    assert ("expected pypi, got somebody-else" in raw) == bool(wrong)
    assert "mint" not in steps(world)


def test_gitlab_on_testpypi(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TestPyPI's token has a variable of its own."""
    status, raw, _ = failed(world, workspace, job(monkeypatch, gitlab(world)), {"index": "testpypi"})
    assert status == 2
    assert "Environment variable TESTPYPI_ID_TOKEN not found." in raw


def test_gitlab_unmatched(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no publisher matches, it is GitLab's form that is filled in."""
    claims = {
        "repository": None,
        "job_workflow_ref": None,
        "workflow_ref": None,
        "project_path": "group/sub/demo",
        "ci_config_ref_uri": "gitlab.com/group/sub/demo//.gitlab-ci.yml@refs/tags/v1",
        "environment": "production",
    }
    status, raw, _ = failed(world, workspace, job(monkeypatch, gitlab(world, **claims)))
    assert status == 2
    assert "error: No publisher matches this job" in raw
    assert "GitHub" not in raw
    assert "provider=gitlab&namespace=group%2Fsub&project=demo&workflow_filepath=.gitlab-ci.yml&environment=" in raw


def test_one_token_for_a_job(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitLab's token is good for one exchange: when the index's token has ended there is no other, and that is said.
    The file that was refused was sent once.
    """
    make_sdist(workspace / "dist", "demo")
    world.pypi.token_life = -60
    status, raw, files = failed(world, workspace, job(monkeypatch, gitlab(world)))
    assert status == 1
    assert "error: The ID token was used before" in raw
    assert "On GitLab a job has one ID token" in raw
    assert [(file["state"], file["attempts"], file["status"]) for file in files] == [
        ("failed", 1, 403),
        ("not-attempted", 0, None),
    ]
    assert steps(world) == ["read", "audience", "mint", "upload", "burn"]


def test_trouble_with_one_token(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the index cannot answer it is not asked again with a token that it may have seen; its trouble is the reason,
    and running the job again is the way.
    """
    world.faults.set("mint", Answer(503))
    status, raw, files = failed(world, workspace, job(monkeypatch, gitlab(world)))
    assert status == 2
    assert "error: PyPI could not answer" in raw
    assert "answered 503. It was not asked again. The ID token was used before: This job has no other" in raw
    assert "Run the job again to send the rest." in raw
    assert [file["attempts"] for file in files] == [0]
    assert steps(world) == ["read", "audience", "mint"]


def test_two_steps_of_a_job(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second step of a job shows the same token, and PyPI's answer leads to what is to be done."""
    env = job(monkeypatch, gitlab(world))
    assert publish_in(world, workspace, env=env).status == 0
    world.journal.entries.clear()
    make_sdist(workspace / "dist", "demo")
    status, raw, _ = failed(world, workspace, env)
    assert status == 2
    assert "error: The ID token was used before" in raw
    assert "PyPI answered `invalid-reuse-token`: invalid token: already used." in raw


PROGRAMS = {
    "BUILDKITE": ("buildkite-agent", "oidc request-token --audience pypi", "stdout"),
    "CIRCLECI": ("circleci", 'run oidc get --claims {"aud": "pypi"} --root-issuer', "stderr"),
}
"""Variable → program, its arguments, and where it says what is wrong."""


def program(folder: Path, name: str, script: str) -> None:
    """Put a program on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(script, encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("variable", sorted(PROGRAMS))
def test_programs(
    variable: str, world: World, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Buildkite and CircleCI their programs give a token each time that one is needed."""
    name, arguments, _ = PROGRAMS[variable]
    make_sdist(workspace / "dist", "demo")
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{world.github.token('pypi')}\n" for _ in range(2)), encoding="utf-8")
    script = f"#!/bin/sh\n[ \"$*\" = '{arguments}' ] && head -n1 {tokens} && sed -i 1d {tokens}\n"
    program(tmp_path / "bin", name, script)
    world.faults.set("mint", [Answer(503)])
    env = job(monkeypatch, {variable: "true", "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"})
    ours = publish_in(world, workspace, env=env)
    assert (ours.status, set(ours.states.values())) == (0, {"uploaded"})
    assert steps(world) == ["read", "audience", "mint", "mint", "upload", "upload", "burn"]


@pytest.mark.parametrize("variable", sorted(PROGRAMS))
@pytest.mark.parametrize("script", ["#!/bin/sh\necho no claims for you{}; exit 3\n", "no program at all", None])
def test_programs_that_fail(
    variable: str, script: str | None, world: World, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps them from giving one is told, in their words where they have some."""
    name, _, where = PROGRAMS[variable]
    if script is not None:
        program(tmp_path / "bin", name, script.format(" >&2" if where == "stderr" else ""))
    env = job(monkeypatch, {variable: "true", "PATH": str(tmp_path / "bin")})
    status, raw, _ = failed(world, workspace, env)
    assert status == 2
    assert "error: No ID token from this system" in raw
    words = {None: "could not find", "no program at all": "Exec format error"}.get(script, "no claims for you")
    assert words in raw
    assert "mint" not in steps(world)


class Metadata:
    """What `id` gets from Google's servers, one answer after the other."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)

    def __call__(self, _method: str, url: str, **_more: Any) -> urllib3.HTTPResponse:
        """Give the next one."""
        assert url.startswith(("http://metadata/", "https://iamcredentials.googleapis.com/"))
        status, body = self.answers.pop(0)
        return urllib3.HTTPResponse(body.encode(), status=status, preload_content=True)


def test_google(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account of Google's is a publisher, too, and its servers may have trouble that passes."""
    token = world.github.token("pypi")
    answers = Metadata(
        (503, "later"), (200, '{"access_token": "ya29.secret"}'), (429, "more"), (200, '{"access_token": "ya29.s"}')
    )
    answers.answers.append((200, json.dumps({"token": token})))
    monkeypatch.setattr(urllib3, "request", answers)
    ours = publish_in(world, workspace, env=job(monkeypatch, {"GOOGLE_SERVICE_ACCOUNT_NAME": "me@example.iam"}))
    assert (ours.status, answers.answers) == (0, [])


@pytest.mark.parametrize(
    ("answer", "words"),
    [((403, "a secret ya29.x"), "code=403"), ((200, "<html>"), "Expecting value"), ((200, "{}"), "token missing")],
)
def test_google_that_fails(
    answer: tuple[int, str], words: str, world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps Google from giving one is told, without a word of the answer."""
    monkeypatch.setattr(urllib3, "request", Metadata(answer))
    status, raw, _ = failed(world, workspace, job(monkeypatch, {"GOOGLE_SERVICE_ACCOUNT_NAME": "me@example.iam"}))
    assert status == 2
    assert "error: No ID token from this system" in raw
    assert words in raw
    assert "ya29" not in raw


def test_google_that_stays_away(world: World, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble that stays is waited for as often as `retries` allows."""
    answers = Metadata(*[(503, "later")] * 5)
    monkeypatch.setattr(urllib3, "request", answers)
    env = job(monkeypatch, {"GOOGLE_SERVICE_ACCOUNT_NAME": "me@example.iam"})
    status, raw, _ = failed(world, workspace, env, {"retries": "2"})
    assert (status, len(answers.answers)) == (2, 2)
    assert "code=503" in raw


def test_nowhere(world: World, workspace: Path) -> None:
    """`always` where nobody gives an ID token is an error that says where one is given."""
    status, raw, _ = failed(world, workspace, {"GITHUB_ACTIONS": ""}, {"trusted-publishing": "always"})
    assert status == 2
    assert "error: No identity here" in raw
    assert "mint" not in steps(world)


def test_auto_nowhere(world: World, workspace: Path) -> None:
    """Without it a person at a terminal is asked for a token, and nobody for an audience."""
    status, raw, _ = failed(world, workspace, {"GITHUB_ACTIONS": ""})
    assert status == 2
    assert "error: No credential for PyPI" in raw
    assert steps(world) == ["read"]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"GITLAB_CI": "true"}, "GitLab"),
        ({"BUILDKITE": "true"}, "Buildkite"),
        ({"CIRCLECI": "true"}, "CircleCI"),
        ({"GOOGLE_SERVICE_ACCOUNT_NAME": "a"}, "Google"),
        ({"GITLAB_CI": ""}, ""),
        ({"CI": "true"}, ""),
    ],
)
def test_systems(environ: dict[str, str], name: str) -> None:
    """They are known by their variables, and where there is none `auto` leaves it to others."""
    assert ambient.system(environ) == name
    found = trusted_publishing.trusted_publishing(context(environ=environ))
    assert (found is not None) == bool(name)


def test_github_before_all(world: World) -> None:
    """A job of GitHub's without the permission is told so, though it runs on another system's machine."""
    environ = world.github.job_without_permission() | {"GITLAB_CI": "true"}
    with pytest.raises(CredentialError, match="id-token: write"):
        trusted_publishing.trusted_publishing(context(environ=environ))
