"""What a job claims to be, and what is said when the index knows no publisher for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.credentials import github, publisher
from entrypoint.credentials.problems import PAGE
from entrypoint.index import locate
from tests.line import Run
from tests.peers.scripted import json_answer
from tests.peers.world import World, running_world
from tests.trusted import lines_of, publish_in, remark, steps, wheel

UNMATCHED, REUSED = "No publisher matches this job", "No publisher matches: the job is in a reusable workflow"
NOT_FOUND = "Publisher with matching claims was not found"
CALLED = "octo-org/octo-repo/.github/workflows/called.yml@refs/tags/v1.0"
SHARED = "octo-org/shared/.github/workflows/release.yml@refs/heads/main"
PYPI = locate(name="pypi", url=None, workspace=Path()).index
TEXT = st.text(st.characters(codec="utf-8"), min_size=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run a world in which the job may publish `demo`."""
    with running_world(tmp_path / "world") as running:
        running.pypi.trust(running.github, "demo")
        yield running


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return the folder of a job with one file to publish."""
    wheel(tmp_path / "w")
    return tmp_path / "w"


def refused(run: Run, title: str) -> Any:
    """Check that no token was minted, for this one reason, and give the remark."""
    assert (run.status, run.titles) == (2, [title])
    told = remark(run, title)
    if "answered" in told["detail"]:
        assert told["detail"].endswith("(Trusted publishing is used because `password` is empty.)")
    assert told["links"][-1].startswith(f"{PAGE}#")
    assert told["tip"]
    return told


def form_of(link: str) -> dict[str, str]:
    """Read the fields that a link fills in."""
    return dict(parse_qsl(urlsplit(link).query, keep_blank_values=True, strict_parsing=True))


@pytest.mark.parametrize(
    ("code", "said", "title", "words"),
    [
        ("invalid-payload", "Input should be a valid string", "The token request was not accepted", "report it"),
        ("invalid-payload", "malformed JWT", "The token request was not accepted", "report it"),
        (
            "invalid-payload",
            "unknown trusted publishing issuer",
            "The index does not know who issued the ID token",
            "GitHub, GitLab, Google and ActiveState",
        ),
        (
            "invalid-payload",
            "The name 'Demo' is too similar to an existing project.",
            "The token request was not accepted",
            "choose another name",
        ),
        (
            "not-enabled",
            "GitHub trusted publishing functionality not enabled",
            "Trusted publishing is switched off",
            "run the job again later, or publish with an API token",
        ),
        ("invalid-token", "malformed or invalid token", "The ID token is not valid there", "check its clock"),
        (
            "invalid-pending-publisher",
            "valid token, but project already exists",
            "The project exists already",
            "add the publisher to it",
        ),
        (
            "invalid-publisher",
            f"valid token, but no corresponding publisher ({NOT_FOUND})",
            UNMATCHED,
            "letter by letter",
        ),
        ("invalid-reuse-token", "invalid token: already used", "The ID token was used before", "run the job again"),
        ("something-new", "in words of the future", "The token request was not accepted", "report it"),
    ],
)
def test_codes(code: str, said: str, title: str, words: str, world: World, workspace: Path) -> None:
    """Every refusal is told with its code and in PyPI's words, and with what to do."""
    errors = [{"code": code, "description": said}]
    world.faults.set("mint", json_answer({"message": "Token request failed", "errors": errors}, 422))
    told = refused(publish_in(world, workspace), title)
    assert told["detail"].startswith(f"PyPI answered `{code}`: {said.removesuffix('.')}")
    assert words in told["tip"]
    assert steps(world) == ["read", "audience", "ID token", "mint"]


@pytest.mark.parametrize("errors", [[], [None], "none", [{}], [{"code": ["invalid-token"]}], {"code": "x"}])
def test_refusals_without_a_code(errors: Any, world: World, workspace: Path) -> None:
    """A refusal in no known form is a refusal all the same."""
    world.faults.set("mint", json_answer({"message": "Token request failed", "errors": errors}, 422))
    assert publish_in(world, workspace).status == 2


@pytest.mark.parametrize(
    ("fault", "title"),
    [
        ("github-expired", "The ID token is not valid there"),
        ("github-signature", "The ID token is not valid there"),
        ("github-issuer", "The index does not know who issued the ID token"),
    ],
)
def test_wrong_id_tokens(fault: str, title: str, world: World, workspace: Path) -> None:
    """An ID token that PyPI does not take is not shown again, and it is said what is wrong with it."""
    world.faults.set(fault, True)
    told = refused(publish_in(world, workspace), title)
    assert ("octo-enterprise" in told["detail"]) == (fault == "github-issuer")
    assert steps(world).count("mint") == 1


@pytest.mark.parametrize(
    ("claims", "reason", "says_which"),
    [
        ({"repository": "octo-org/other"}, NOT_FOUND, False),
        ({"repository_owner_id": "66"}, NOT_FOUND, False),
        ({"repository": "Octo-Org/octo-repo"}, NOT_FOUND, False),
        ({"event_name": None}, "Missing claim 'event_name'", True),
        ({"repository_owner": "somebody"}, "Check failed for required claim 'repository_owner'", True),
        (
            {"job_workflow_ref": "octo-org/octo-repo/.github/workflows/release.yml@refs/heads/old"},
            "The job_workflow_ref claim does not match, expecting one of [",
            True,
        ),
        (
            {"job_workflow_ref": "none@", "workflow_ref": "none@"},
            "Could not job extract workflow filename from OIDC claims",
            True,
        ),
    ],
)
def test_unmatched(claims: dict[str, str | None], reason: str, says_which: bool, world: World, workspace: Path) -> None:
    """PyPI's reason is told, and what the job claims beside the fields of PyPI's form; the summary has it, too."""
    world.github.claims |= claims
    ours = publish_in(world, workspace)
    told = refused(ours, UNMATCHED)
    assert f"(valid token, but no corresponding publisher ({reason}".removeprefix("(") in told["detail"]
    assert ("does not say which" in told["tip"]) != says_which
    told_claims = world.github.issued[-1]
    rows = dict(line.split("  ", 1) for line in told["block"].splitlines() if line)
    assert rows["Owner"].split() == [told_claims["repository_owner"], "(id", f"{told_claims['repository_owner_id']})"]
    assert rows["Repository name"].strip() == told_claims["repository"].partition("/")[2]
    assert rows["Environment name"].strip() == "(none: the field has to be empty)"
    for name in ("iss", "aud", "sub", "ref", "workflow_ref", "job_workflow_ref", "runner_environment"):
        assert rows[name].strip() == told_claims[name]
    assert [line.strip() for line in lines_of(ours.summary)] == [line.strip() for line in told["block"].splitlines()]


def test_the_form(world: World, workspace: Path) -> None:
    """The links lead to the form of each project, filled in with what the job claims, and to that of new projects."""
    world.github.claims |= {"environment": "on & off/ü", "repository": "octo-org/other"}
    for name in ("demo-b", "demo-c", "demo-d"):
        wheel(workspace, name)
    told = refused(publish_in(world, workspace), UNMATCHED)
    *forms, new, _ = told["links"]
    assert [urlsplit(each).path for each in forms] == [
        f"/manage/project/{name}/settings/publishing/" for name in ("demo", "demo-b", "demo-c")
    ]
    assert [form_of(each) for each in forms] == [
        {
            "provider": "github",
            "owner": "octo-org",
            "repository": "other",
            "workflow_filename": "release.yml",
            "environment": "on & off/ü",
        }
    ] * 3
    assert new == "https://pypi.org/manage/account/publishing/"


@pytest.mark.parametrize(
    ("registered", "given", "matches", "words"),
    [
        ("pypi", None, False, "The job has no `environment:`. If the publisher names one, give the job the same"),
        ("pypi", "testing", False, "The job runs in the environment 'testing': the publisher names this one, or none."),
        ("pypi", "PyPI", True, ""),
        ("", "anything", True, ""),
        ("", None, True, ""),
    ],
)
def test_environments(
    registered: str, given: str | None, matches: bool, words: str, world: World, workspace: Path
) -> None:
    """An environment that is missing, or that the publisher does not name, is told as what may be wrong."""
    world.pypi.publishers[0].environment = registered
    world.github.claims["environment"] = given
    ours = publish_in(world, workspace)
    if matches:
        assert ours.status == 0
        assert (f"release.yml, environment {given}, good until" in ours.raw) == bool(given)
    else:
        told = refused(ours, UNMATCHED)
        assert words in told["tip"]
        assert form_of(told["links"][0]).get("environment") == given


# Workflows and events.


def test_called_in_the_same_repository(world: World, workspace: Path) -> None:
    """It is published where the publisher names the called file, with a warning; otherwise it is said which file PyPI
    looks for.
    """
    world.github.claims["job_workflow_ref"] = CALLED
    told = refused(publish_in(world, workspace), REUSED)
    assert "The workflow that runs is octo-org/octo-repo/.github/workflows/release.yml; " in told["detail"]
    assert "is defined in octo-org/octo-repo/.github/workflows/called.yml." in told["detail"]
    assert "register the publisher with the file called.yml, which works without attestations" in told["tip"]
    assert form_of(told["links"][0])["workflow_filename"] == "called.yml"

    world.pypi.publishers[0].workflow = "called.yml"
    ours = publish_in(world, workspace)
    assert ours.status == 0
    warned = remark(ours, "Published from a reusable workflow")
    assert warned["level"] == "warning"
    assert "octo-org/octo-repo/.github/workflows/called.yml" in warned["detail"]


@pytest.mark.parametrize("registered", ["release.yml", "publish.yml"])
def test_called_from_another_repository(registered: str, world: World, workspace: Path) -> None:
    """No publisher can be registered for it: the link is for the workflow that calls, to where the job has to go."""
    world.github.workflow_file = "publish.yml"
    world.github.claims["job_workflow_ref"] = SHARED
    world.pypi.publishers[0].workflow = registered
    told = refused(publish_in(world, workspace), REUSED)
    assert "is defined in octo-org/shared/.github/workflows/release.yml." in told["detail"]
    assert "Put the job that publishes into the workflow that is triggered" in told["tip"]
    assert "register" not in told["tip"]
    assert form_of(told["links"][0])["workflow_filename"] == "publish.yml"


def test_pull_request_target(world: World, workspace: Path) -> None:
    """It is known before anybody is asked that PyPI takes nothing from this event."""
    env = world.github.job(GITHUB_EVENT_NAME="pull_request_target")
    told = refused(publish_in(world, workspace, env=env), "`pull_request_target` may not publish")
    assert "`push` of a tag" in told["tip"]
    assert steps(world) == ["read"]


def test_pull_request_target_in_the_token_only(world: World, workspace: Path) -> None:
    """When only PyPI sees it, its answer says the same."""
    world.github.claims["event_name"] = "pull_request_target"
    env = world.github.job(GITHUB_EVENT_NAME="push")
    told = refused(publish_in(world, workspace, env=env), "`pull_request_target` may not publish")
    assert "is not supported" in told["detail"]


@pytest.mark.parametrize("mode", ["auto", "always"])
def test_missing_permission(mode: str, world: World, workspace: Path) -> None:
    """The YAML that is missing is printed as it has to be written, and nobody is asked for anything."""
    env = world.github.job_without_permission()
    ours = publish_in(world, workspace, {"trusted-publishing": mode}, env=env)
    told = refused(ours, "No ID token: `id-token: write` is missing")
    assert yaml.safe_load(told["block"]) == {"permissions": {"id-token": "write", "contents": "read"}}
    assert "\npermissions:\n  id-token: write " in ours.messages("error")[0]
    assert "a job's `permissions` replace those of the workflow" in told["block"]
    assert ("`password` is empty" in told["detail"]) == (mode == "auto")
    assert steps(world) == ["read"]


@pytest.mark.parametrize("half", ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
def test_half_a_permission(half: str, world: World, workspace: Path) -> None:
    """One of the two variables is as good as none."""
    env = world.github.job(**{half: ""})
    refused(publish_in(world, workspace, env=env), "No ID token: `id-token: write` is missing")


@pytest.mark.parametrize(
    ("event", "fork"),
    [
        ({"pull_request": {"head": {"repo": {"fork": True}}}}, True),
        ({"pull_request": {"head": {"repo": {"fork": False}}}}, False),
        ({"pull_request": {"head": {"repo": None}}}, False),
        ([], False),
        (None, False),
    ],
)
def test_forks(event: Any, fork: bool, world: World, workspace: Path) -> None:
    """For a pull request from a fork no permission helps, and that is what is said; other events are not taken for
    one.
    """
    path = workspace.parent / "event.json"
    if event is not None:
        path.write_text(json.dumps(event), encoding="utf-8")
    world.github.claims["event_name"] = "pull_request"
    env = world.github.job_without_permission(GITHUB_EVENT_PATH=str(path))
    title = "No ID token: this is a pull request from a fork" if fork else "No ID token: `id-token: write` is missing"
    told = refused(publish_in(world, workspace, env=env), title)
    assert (told["block"] == "") == fork
    assert ("`workflow_dispatch`" in told["tip"]) == fork


# Claims come from outside.


@pytest.mark.parametrize(
    "value",
    [
        "```\n### Heading\n```",
        "| a | b |\n|---|---|",
        "x\n::error::not ours\r::add-mask::e\n##[error]not ours",
        "<img src=x onerror=alert(1)>[link](https://evil.example)",
        "e" * 5000,
        "\x1b[31m\u202e\u2028\ud800",
        "%0A::error::not ours",
    ],
)
def test_hostile_claims(value: str, world: World, workspace: Path) -> None:
    """Whatever is in a claim, it is no command, no Markdown, and no error of its own."""
    world.pypi.publishers[0].environment = "something else"
    world.github.claims |= {"environment": value, "actor": value, "sub": value}
    world.github.claims["ref"] = f"refs/tags/{value}"
    ours = publish_in(world, workspace, env=world.github.job(GITHUB_REF="refs/tags/v1", GITHUB_WORKFLOW_REF="w"))
    refused(ours, UNMATCHED)
    assert [each.title for each in ours.annotations if each.level == "error"] == [UNMATCHED]
    inside = list(lines_of(ours.summary))
    assert any(line.strip().startswith("Environment name") for line in inside)
    outside = [line for line in ours.summary.splitlines() if line not in inside]
    assert sum(line.startswith("#") for line in outside) == 2
    assert "<img" not in "\n".join(outside)
    assert not [line for line in ours.raw.splitlines() if line.startswith("::error") and "title=" not in line]


def test_hostile_claims_of_a_publisher(world: World, workspace: Path) -> None:
    """Nor when all goes well, and it is said who we are."""
    world.github.claims["environment"] = "x\n::error::not ours\n```" + "e" * 5000
    ours = publish_in(world, workspace)
    assert ours.status == 0
    (line,) = [line for line in ours.raw.splitlines() if line.startswith("Credential: ") and "good until" in line]
    assert len(line) < 500


def jwt(payload: bytes) -> str:
    """Make what looks like a JWT."""
    return f"e30.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.c2ln"


SMALL = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | SMALL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SMALL, inner, max_size=3),
    max_leaves=6,
)


@given(st.text() | st.binary().map(jwt) | JSON.map(lambda value: jwt(json.dumps(value).encode())))
def test_claims_of_anything(token: str) -> None:
    """Reading claims never fails, and what comes of it is text that can be printed, put into a table and linked."""
    claims = github.claims(token)
    for name, value in claims.items():
        assert isinstance(name, str)
        assert value.encode().decode() == value
        assert "\n" not in publisher.principal({"sub": value})
    assert all(len(line) < 400 for line in publisher.table(PYPI, claims).splitlines())
    assert publisher.links(PYPI, claims, ["demo"])
    publisher.reusable(claims)


@pytest.mark.parametrize("depth", [100, 900, 5_000, 100_000])
def test_claims_without_an_end(depth: int) -> None:
    """A claim that is nested deeper than anybody reads is a claim, or none; not an error."""
    claims = github.claims(jwt(b'{"a": ' + b"[" * depth + b"]" * depth + b"}"))
    assert set(claims) <= {"a"}


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_claims_are_told_as_they_are(claims: dict[str, Any]) -> None:
    """Texts stay what they are but for halves of characters, and everything else is told as JSON."""
    told = github.claims(jwt(json.dumps(claims).encode()))
    assert set(told.values()) == {
        (value if isinstance(value, str) else json.dumps(value)).encode(errors="replace").decode()
        for value in claims.values()
    }


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("owner", "repository", "file", "environment"), TEXT)), TEXT)
def test_links_of_github(parts: Mapping[str, str], project: str) -> None:
    """What a link fills in is what the job claims, whatever is in it; what it does not claim is left out."""
    file = parts.get("file", "").replace("/", "").replace("@", "")
    claims = {
        "repository_owner": parts.get("owner", ""),
        "repository": f"o/{parts.get('repository', '')}",
        "job_workflow_ref": f"o/r/.github/workflows/{file}@ref/@/x",
        "environment": parts.get("environment", ""),
    }
    form, new = publisher.links(PYPI, claims, [project])
    assert form.isascii()
    assert form.isprintable()
    assert not set(form) & set('<>"` |')
    expected = {
        "provider": "github",
        "owner": parts.get("owner", ""),
        "repository": parts.get("repository", ""),
        "workflow_filename": file,
        "environment": parts.get("environment", ""),
    }
    assert form_of(form) == {name: value for name, value in expected.items() if value}
    assert unquote(urlsplit(form).path.split("/")[3]) == project
    assert new == "https://pypi.org/manage/account/publishing/"


@given(TEXT, TEXT, TEXT, st.sampled_from(["https://gitlab.com", "https://gitlab.example"]))
def test_links_of_gitlab(namespace: str, project: str, environment: str, issuer: str) -> None:
    """GitLab's form has the namespace with its groups, the file of the pipeline, and the issuer where it is another."""
    project = project.replace("/", "") or "p"
    claims = {
        "iss": issuer,
        "project_path": f"{namespace}/{project}",
        "ci_config_ref_uri": f"gitlab.example/{namespace.replace('//', '/')}//.ci/release.yml@refs/heads/main",
        "environment": environment,
    }
    usual = {"provider": "gitlab", "namespace": namespace, "project": project, "environment": environment}
    form = form_of(publisher.links(PYPI, claims, ["demo"])[0])
    assert {name: form[name] for name in usual} == usual
    assert form.get("issuer_url", "https://gitlab.com") == issuer


def test_other_forms() -> None:
    """Google's form has its own fields; where nothing is known about pages of an index, nothing is linked."""
    claims = {"email": "me+you@example.iam", "sub": "1234"}
    form = form_of(publisher.links(PYPI, claims, ["demo"])[0])
    assert form == {"provider": "google", "email": "me+you@example.iam", "sub": "1234"}
    assert publisher.table(PYPI, claims).splitlines()[1].split() == ["Email", "me+you@example.iam"]
    assert publisher.principal(claims) == "me+you@example.iam"
    generic = locate(name=None, url="https://index.example/upload/", workspace=Path()).index
    assert publisher.links(generic, claims, ["demo"]) == ()
    gitlab = {"project_path": "group/sub/demo", "ci_config_ref_uri": "gitlab.com/group/sub/demo//.gitlab-ci.yml@main"}
    assert publisher.principal(gitlab) == "group/sub/demo"
    rows = publisher.table(PYPI, gitlab)
    assert "group/sub/demo" in rows
    assert "(none: the field has to be empty)" in rows
    assert form_of(publisher.links(PYPI, gitlab, ["demo"])[0])["workflow_filepath"] == ".gitlab-ci.yml"
