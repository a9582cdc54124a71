"""Workflows to copy: the files of docs/recipes, the reusable workflow, and every block of YAML in the documents.

A block is a part of a recipe, which is linted as the file that it is, or it is made into a whole workflow here and
linted as that.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.line import ROOT
from tests.test_troubleshooting import blocks, faults, ran, steps

RECIPES = sorted((ROOT / "docs" / "recipes").glob("*.yml"))
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
ACTION: Any = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
CALLED = ROOT / ".github" / "workflows" / "publish-to-index.yml"
OURS = "org/publish-action@v1"
REUSABLE = "org/publish-action/.github/workflows/publish-to-index.yml@v1"
LINTER = str(ROOT / ".ci" / "lint-recipes")


def load(text: str) -> Any:
    """Read a workflow; PyYAML takes its key `on` for a boolean."""
    workflow = yaml.safe_load(text)
    if isinstance(workflow, dict) and True in workflow:
        workflow["on"] = workflow.pop(True)
    return workflow


# What holds for a recipe


def wrong(text: str) -> Iterator[str]:
    """Yield what is wrong with a recipe, apart from what linters see."""
    workflow = load(text)
    declared = load(CALLED.read_text(encoding="utf-8"))["on"]["workflow_call"]
    if workflow.get("permissions") != {}:
        yield "`permissions: {}` is missing"
    for line in text.splitlines():
        uses = re.search(r"\buses: (.*)", line)
        if uses and not re.fullmatch(
            rf"{OURS}|{REUSABLE}|\./\S+(  # .*)?|[\w./-]+@[0-9a-f]{{40}} # v\d+\.\d+\.\d+", uses[1]
        ):
            yield f"not pinned: {uses[1]}"
    for name, job in workflow["jobs"].items():
        if "permissions" not in job:
            yield f"job `{name}` says nothing about permissions"
        if job.get("uses") == REUSABLE:
            given, known = set(job.get("with", {})), set(declared["inputs"])
            yield from (f"no input `{each}` of the reusable workflow" for each in sorted(given - known))
            yield from (
                f"no secret `{each}`" for each in sorted(set(job.get("secrets", {})) - set(declared["secrets"]))
            )
    for step in (step for job in workflow["jobs"].values() for step in job.get("steps", [])):
        if "${{" in str(step.get("run")):
            yield f"an expression in `run: {step['run']}`"
    yield from outputs(workflow, set(declared["outputs"]))
    yield from (fault for fault in faults(text) if fault != f"not pinned: {REUSABLE}")  # the called file pins itself


def outputs(workflow: Any, of_reusable: set[str]) -> Iterator[str]:
    """Yield the outputs that are read of this action, or of the reusable workflow, and that it has not."""
    for job in workflow["jobs"].values():
        ours = {step.get("id") for step in steps(job) if step["uses"] == OURS}
        for step, name in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", yaml.safe_dump(job)):
            if step in ours and name not in ACTION["outputs"]:
                yield f"no output `{name}`"
        for needed, name in re.findall(r"needs\.([\w-]+)\.outputs\.([\w-]+)", yaml.safe_dump(job)):
            if workflow["jobs"][needed].get("uses") == REUSABLE and name not in of_reusable:
                yield f"no output `{name}` of the reusable workflow"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes(recipe: Path) -> None:
    """A recipe grants nothing by default, pins other actions, and uses inputs and outputs that exist."""
    assert list(wrong(recipe.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("pypi", "permissions: {}\n\nconc", "conc", "`permissions: {}` is missing"),
        (
            "pypi",
            "    permissions:\n      id-token: write  # lets this job prove who it is\n",
            "",
            "job `publish` says",
        ),
        ("pypi", "de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "v6", "not pinned: actions/checkout@v6"),
        ("pypi", " # v6.0.2", "", "not pinned: actions/checkout@de0fac"),
        ("pypi", "pipx run build", "echo ${{ github.head_ref }}", "an expression in"),
        ("pypi", "outputs.url", "outputs.link", "no output `link`"),
        ("pypi", "outputs.url", "outputs.already_present", "no output `already_present`"),
        ("testpypi-then-pypi", "index: testpypi", "repo: testpypi", "no input `repo`"),
        ("testpypi-then-pypi", "wait-for-index: 300", "wait-for-index: soon", "wait-for-index"),
        ("reusable-index", "environment: release", "env: release", "no input `env` of the reusable workflow"),
        ("reusable-index", "publish.outputs.name", "publish.outputs.title", "no output `title` of the reusable"),
        ("reusable-index", "      environment: release\n", "    secrets: {token: x}\n", "no secret `token`"),
    ],
)
def test_recipes_can_be_wrong(name: str, old: str, new: str, expected: str) -> None:
    """Each of these checks fails where there is something to find."""
    text = (ROOT / "docs" / "recipes" / f"{name}.yml").read_text(encoding="utf-8")
    assert old in text
    assert expected in "\n".join(wrong(text.replace(old, new)))


def test_there_is_a_recipe_for_each_case() -> None:
    """Nothing was lost on the way."""
    assert {path.stem for path in RECIPES} == {
        "artifact-registry", "build", "matrix-fan-in", "matrix-legs", "monorepo", "pull-request", "pypi",
        "pypi-reusable-build", "reusable-index", "testpypi-then-pypi",
    }  # fmt: skip


def test_what_the_recipes_are_about() -> None:
    """PyPI is published to from the file that runs, never from a called one; a release is not cancelled half-way."""
    for path in RECIPES:
        workflow = load(path.read_text(encoding="utf-8"))
        publishing = [job for job in workflow["jobs"].values() if any(step["uses"] == OURS for step in steps(job))]
        if "tags" in str(workflow["on"]):
            assert workflow["concurrency"]["cancel-in-progress"] is False, path.name
            assert all("environment" in job for job in publishing), path.name
        if path.stem == "build":
            assert publishing == []


# The reusable workflow


def test_the_reusable_workflow_is_the_action() -> None:
    """It hands its inputs to inputs that exist, without defaults of its own, and gives all outputs."""
    workflow = load(CALLED.read_text(encoding="utf-8"))
    call, (job,) = workflow["on"]["workflow_call"], workflow["jobs"].values()
    (step,) = [step for step in job["steps"] if step.get("id") == "publish"]
    assert set(step["with"]) <= set(ACTION["inputs"])
    given = {f"inputs.{name}" for name in call["inputs"]} | {f"secrets.{name}" for name in call["secrets"]}
    assert given - {"inputs.artifact", "inputs.environment"} == {
        value.removeprefix("${{ ").removesuffix(" }}") for value in step["with"].values()
    }
    assert all(value.split(".")[1] == f"{name} }}}}" for name, value in step["with"].items())
    assert list(call["outputs"]) == list(job["outputs"]) == list(ACTION["outputs"])
    for name, output in call["outputs"].items():
        assert output["value"] == f"${{{{ jobs.publish.outputs.{name} }}}}"
        assert job["outputs"][name] == f"${{{{ steps.publish.outputs.{name} }}}}"
    assert {each["type"] for each in call["inputs"].values()} == {"string", "boolean", "number"}
    assert job["permissions"] == {"id-token": "write"}


# Linters


def test_recipes_are_linted() -> None:
    """actionlint, zizmor and the schema have nothing against them, each in its place in a repository."""
    assert ran([LINTER], ROOT) == ""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("runs-on: ubuntu-latest", "run-on: ubuntu-latest", "run-on"),
        ("persist-credentials: false", "fetch-depth: 0", "artipacked"),
        ("org/publish-action@v1", "org/publish-action", "org/publish-action"),
        ("  # lets this job prove who it is", "", "undocumented-permissions"),
    ],
)
def test_linters_of_recipes_can_fail(old: str, new: str, expected: str, tmp_path: Path) -> None:
    """What is put into a recipe is found."""
    text = (ROOT / "docs" / "recipes" / "pypi.yml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "pypi.yml").write_text(text.replace(old, new), encoding="utf-8")
    assert expected in ran([LINTER, str(tmp_path)], ROOT)


# Blocks in the documents


class Block(NamedTuple):
    """A block of YAML, and where it stands."""

    document: str
    number: int
    text: str

    @property
    def name(self) -> str:
        """What it is called here, and in a path."""
        return f"{self.document.removesuffix('.md')}-{self.number}"


BLOCKS = [
    Block(document.name, number, text)
    for document in DOCUMENTS
    for number, text in enumerate(blocks(document, "yaml"), start=1)
]
HEAD = {"name": "Example", "on": "workflow_dispatch", "permissions": {}}
CONCURRENCY = {"group": "example", "cancel-in-progress": False}


def is_part_of_a_recipe(text: str) -> bool:
    """Say whether a block is a recipe, or some of its lines in a row."""
    plain = textwrap.dedent(text)
    for recipe in RECIPES:
        lines = recipe.read_text(encoding="utf-8").splitlines(keepends=True)
        size = len(plain.splitlines())
        for start in range(len(lines) - size + 1):
            if textwrap.dedent("".join(lines[start : start + size])) == plain:
                return True
    return False


def completed(text: str) -> Any:
    """Make a whole workflow out of a part of one."""
    part = load(textwrap.dedent(text))
    if isinstance(part, list):
        part = {"steps": part}
    if "with" in part:
        part = {"steps": [{"uses": OURS, **part}]}
    if "jobs" not in part and "steps" not in part:
        part = {**part, "steps": [{"run": "true"}]}
    if "steps" in part:
        job = {"runs-on": "ubuntu-latest", "steps": part.pop("steps")}
        job["permissions"] = part.pop("permissions", {})
        known = {step.get("id") for step in job["steps"]}
        for name in sorted(set(re.findall(r"steps\.([\w-]+)\.", yaml.safe_dump(job))) - known):
            job["steps"].insert(0, {"id": name, "run": "true"})
        part["jobs"] = {"example": job}
    return {**HEAD, "concurrency": CONCURRENCY, **part}


FRAGMENTS = {
    "unpinned-uses": {"config": {"policies": {"org/*": "ref-pin", "*": "hash-pin"}}},
    "self-repository": {"disable": True},
    "anonymous-definition": {"disable": True},  # a part of a job needs no name of its own
    "undocumented-permissions": {"disable": True},  # comments do not survive being made whole
}
"""Rules of zizmor's that are not meant for parts."""


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Lint all blocks that are no part of a recipe, and give one line for each finding."""
    return lint({block.name: completed(block.text) for block in BLOCKS if to_complete(block)}, tmp_path_factory)


def lint(workflows: Mapping[str, Any], factory: pytest.TempPathFactory) -> str:
    """Give what linters say about workflows."""
    folder = factory.mktemp("blocks")
    place = folder / ".github" / "workflows"
    place.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "recipes" / "build.yml", place)
    for name, workflow in workflows.items():
        (place / f"{name}.yml").write_text(yaml.safe_dump(workflow, sort_keys=False), encoding="utf-8")
    (folder / "zizmor.yml").write_text(yaml.safe_dump({"rules": FRAGMENTS}), encoding="utf-8")
    files = sorted(str(path.relative_to(folder)) for path in place.glob("*.yml"))
    zizmor = ["zizmor", "--offline", "--no-progress", "--quiet", "--persona=pedantic", "--format=github"]
    return (
        ran(["actionlint", "-no-color", "-oneline", *files], folder)
        + ran([*zizmor, "--config", "zizmor.yml", "."], folder)
        + ran(["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files], folder)
    )


def to_complete(block: Block) -> bool:
    """Say whether a block is made whole here: neither a part of a recipe, nor for GitLab."""
    return not is_for_gitlab(block.text) and not is_part_of_a_recipe(block.text)


def is_for_gitlab(text: str) -> bool:
    """Say whether a block is a pipeline of GitLab's, or a part of a job of one."""
    part = yaml.safe_load(text)
    return isinstance(part, dict) and bool({"id_tokens", "publish"} & set(part))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_blocks(block: Block, findings: str) -> None:
    """A block is a part of a recipe, or linters have nothing against it."""
    if to_complete(block):
        assert [line for line in findings.splitlines() if f"/{block.name}.yml" in line] == []
        assert list(wrong_part(block.text)) == []


def wrong_part(text: str) -> Iterator[str]:
    """Yield what is read or given in a block and does not exist."""
    workflow = completed(text)
    yield from outputs(workflow, set(ACTION["outputs"]))
    for step in steps(workflow):
        if step["uses"] == OURS:
            yield from (f"no input `{name}`" for name in step.get("with", {}) if name not in ACTION["inputs"])


def test_blocks_for_gitlab(tmp_path: Path) -> None:
    """What is for GitLab fits its schema."""
    others = [block for block in BLOCKS if is_for_gitlab(block.text)]
    assert len(others) >= 2
    for block in others:
        part = yaml.safe_load(block.text)
        pipeline = part if "publish" in part else {"publish": part}
        pipeline["publish"].setdefault("script", "true")
        (tmp_path / "gitlab.yml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
        assert ran(["check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "gitlab.yml"], tmp_path) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps:\n  - uses: actions/checkout@v6\n", "unpinned-uses"),
        ("permissions:\n  id-tokens: write\n", "id-tokens"),
        ("- run: echo ${{ github.event.issue.title }}\n", "untrusted"),
        ("    with:\n      packages-dir: ${{ github.workspaces }}\n", "workspaces"),
        ("jobs:\n  a:\n    runs-on: ubuntu-lastest\n    steps: [{run: make}]\n", "ubuntu-lastest"),
        ("on:\n  pushes:\n", "pushes"),
    ],
)
def test_blocks_can_be_wrong(text: str, expected: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Parts are made whole so that linters find what is wrong in them."""
    found = [line for line in lint({"part": completed(text)}, tmp_path_factory).splitlines() if "/part.yml" in line]
    assert expected in "\n".join(found)


def test_parts_can_be_wrong() -> None:
    """An input and an output that do not exist are found in a part, and what is not a recipe is none."""
    text = "- id: a\n  uses: org/publish-action@v1\n  with: {pasword: x}\n- run: 'true'\n  if: steps.a.outputs.b\n"
    assert list(wrong_part(text)) == ["no output `b`", "no input `pasword`"]
    assert is_part_of_a_recipe("- id: publish\n  uses: org/publish-action@v1\n")
    assert not is_part_of_a_recipe("- id: published\n  uses: org/publish-action@v1\n")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_shown(recipe: Path) -> None:
    """docs/recipes.md has every recipe, whole, under a link to its file."""
    page = ROOT / "docs" / "recipes.md"
    assert recipe.read_text(encoding="utf-8") in blocks(page, "yaml")
    assert f"(recipes/{recipe.name})" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("document", "recipe"),
    [
        ("pypi.md", "pypi"),
        ("pypi.md", "pull-request"),
        ("pypi.md", "pypi-reusable-build"),
        ("google.md", "artifact-registry"),
    ],
)
def test_guides_show_recipes(document: str, recipe: str) -> None:
    """What the guides tell to copy is a recipe, to the letter."""
    text = (ROOT / "docs" / "recipes" / f"{recipe}.yml").read_text(encoding="utf-8")
    assert text in blocks(ROOT / "docs" / document, "yaml")
