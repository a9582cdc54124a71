"""The workflows of this repository: what linters do not see in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.__main__ import _parser
from tests.line import ROOT
from tests.test_recipes import load

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
IMAGE = "ghcr.io/org/publish-action"


def read(name: str) -> Any:
    """Read one of the workflows."""
    return load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def wrong(text: str) -> Iterator[str]:
    """Yield what is wrong with a workflow."""
    workflow = load(text)
    if workflow.get("permissions") != {}:
        yield "it grants something to every job"
    for line in text.splitlines():
        uses = re.search(r"\buses: (\S.*)", line)
        if uses and not re.fullmatch(r"\./\S*( # .*)?|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", uses[1]):
            yield f"not pinned: {uses[1]}"
    piped = workflow.get("defaults", {}).get("run", {}).get("shell") == "bash"
    for name, job in workflow["jobs"].items():
        if "uses" not in job and "timeout-minutes" not in job:
            yield f"job `{name}` may run for six hours"
        for step in job.get("steps", []):
            yield from _step(step, piped=piped)


def _step(step: Any, *, piped: bool) -> Iterator[str]:
    script = str(step.get("run", ""))
    if "${{" in script:
        yield f"an expression in `{script}`"
    if not piped and ("|" in script or "<(" in script):
        yield f"without pipefail, `{script}` hides a failure"
    if "actions/checkout@" in str(step.get("uses")) and step.get("with", {}).get("persist-credentials") is not False:
        yield "a checkout leaves its token"
    for path in re.findall(r"\.github/scripts/([\w-]+)", script):
        if not (ROOT / ".github" / "scripts" / path).is_file():
            yield f"there is no script {path}"
    for command in re.findall(r"python3 -m release ([^|\n]*)", script.replace("\\\n", " ")):
        # What the shell puts in is stood for by a value of the right form.
        filled = (
            command.replace('"$BUMP"', "patch").replace('"$DAY"', "2026-11-25").replace('"$VERSION"', "1.2.3").strip()
        )
        try:
            _parser().parse_args(shlex.split(filled))
        except SystemExit:
            yield f"no such command: {command}"
    if "/expect " in script:
        words = shlex.split(script[script.index("/expect ") :].splitlines()[0])[1:]
        yield from (f"`expect` is not given {name}" for name in words[::2] if name not in step.get("env", {}))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows(path: Path) -> None:
    """Nothing is granted to all jobs, actions are pinned, failures are not hidden, scripts and commands exist."""
    assert list(wrong(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("monthly", "permissions: {}", "permissions: {contents: read}", "grants something"),
        ("release", "@1e69f48acb82d1966a394da916b4c1698aa569d6 # v4.2.2", "@v4", "not pinned: actions/attest@v4"),
        ("release", "    shell: bash", "    shell: sh", "hides a failure"),
        ("release", '"$SOURCE:Dockerfile"', '"${{ inputs.source }}:Dockerfile"', "an expression in"),
        ("release", "    timeout-minutes: 15\n", "", "job `index` may run"),
        ("release", "scripts/image smoke", "scripts/images smoke", "no script images"),
        ("release", "release move --version", "release move --tag", "no such command: move --tag"),
        ("release", "persist-credentials: false", "clean: true", "leaves its token"),
        ("smoke", "UPLOADED: ", "UPLOAD: ", "not given UPLOADED"),
    ],
)
def test_workflows_can_be_wrong(
    name: str, old: str, new: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of these checks fails where there is something to find."""
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    assert old in text
    assert expected in "\n".join(wrong(text.replace(old, new)))
    capsys.readouterr()  # argparse says what it misses


def before(workflow: Any, job: str) -> set[str]:
    """Give all jobs that a job waits for."""
    needs = workflow["jobs"][job].get("needs", [])
    direct = [needs] if isinstance(needs, str) else needs
    return {each for name in direct for each in (name, *before(workflow, name))}


def test_the_order_of_a_release() -> None:
    """Nothing is pushed before it was tested, nothing is tagged before it is attested, nothing moves before a smoke."""
    workflow = read("release")
    assert before(workflow, "image") == {"plan", "test"}
    assert before(workflow, "commit") == {"plan", "test", "image", "index"}
    assert before(workflow, "smoke") >= {"commit"}
    assert before(workflow, "move") >= {"smoke"}
    assert before(workflow, "smoke-moved") >= {"move"}
    names = [str(step.get("name")) for step in workflow["jobs"]["image"]["steps"]]
    assert names.index("Build") < names.index("Smoke") < names.index("Sign in") < names.index("Push by digest")
    used = [step.get("uses", "") for step in workflow["jobs"]["index"]["steps"]]
    assert sum(each.startswith("actions/attest@") for each in used) == 3


def test_who_may_write() -> None:
    """What runs the code of others (tests, builds) cannot write to the repository; what can runs our scripts only."""
    workflow = read("release")
    granted = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert {name for name, given in granted.items() if given.get("contents") == "write"} == {"commit", "move"}
    assert {name for name, given in granted.items() if given.get("packages") == "write"} == {"image", "index"}
    assert {name for name, given in granted.items() if "id-token" in given} == {"index"}
    assert granted["test"] == {"contents": "read"}
    assert workflow["jobs"]["commit"]["environment"] == "release"
    most = {scope: "write" for given in granted.values() for scope, level in given.items() if level == "write"}
    assert read("monthly")["jobs"]["release"]["permissions"] == most


def test_one_name_of_the_image() -> None:
    """The image has one name wherever it is written."""
    workflow = read("release")
    assert workflow["env"]["IMAGE"] == IMAGE
    for job in ("smoke", "smoke-moved"):
        assert workflow["jobs"][job]["with"]["image"].partition("@")[0] == IMAGE


def test_a_release_can_pin_its_base() -> None:
    """The Dockerfile has one base image, by a tag, which a release replaces by a digest."""
    bases = re.findall(r"^ARG BASE=(.*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(bases) == 1
    assert re.fullmatch(r"[a-z]+:[\w.-]+", bases[0])


def test_every_job_counts() -> None:
    """The one check that is required waits for every other job, and counts them."""
    jobs = read("ci")["jobs"]
    last = jobs["all"]
    assert set(last["needs"]) == set(jobs) - {"all"}
    assert f"length == {len(last['needs'])} " in last["steps"][0]["run"]
    assert last["if"] == "always()"


def test_what_must_fail_is_seen_to_fail() -> None:
    """Whoever lets a step of CI fail looks at its outcome in the next one."""
    found = 0
    for job in read("ci")["jobs"].values():
        for step, following in zip(job.get("steps", []), job.get("steps", [])[1:], strict=False):
            if step.get("continue-on-error"):
                found += 1
                assert following["env"]["STEP"] == f"${{{{ steps.{step['id']}.outcome }}}}"
                assert re.search(r'expect STEP failure|test "\$STEP" = failure', following["run"])
    assert found == 4


def test_ci_covers_every_python() -> None:
    """Tests run on every Python that the classifiers name, and on both platforms of the image."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    jobs = read("ci")["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == named == ["3.11", "3.12", "3.13", "3.14"]
    for job in ("image", "publish"):
        assert jobs[job]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    built = [each["runner"] for each in read("release")["jobs"]["image"]["strategy"]["matrix"]["include"]]
    assert built == ["ubuntu-24.04", "ubuntu-24.04-arm"]


def test_dependabot_waits() -> None:
    """No dependency is taken on the day it comes out."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"github-actions", "pip", "docker"}
    assert all(each["cooldown"]["default-days"] >= 7 for each in updates)
