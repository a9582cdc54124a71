"""What is written twice is checked once: action.yml, the inputs, README, docs and layout."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from entrypoint import __version__
from entrypoint.errors import PublishError
from entrypoint.inputs import ALIASES, INPUTS
from tests.line import ROOT, schema

ACTION: Any = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        ROOT / "SECURITY.md",
        *(ROOT / "docs").glob("*.md"),
    ]
)


def default(name: str) -> str:
    """Give the default of an input as a workflow would write it."""
    value = INPUTS[name].default
    if value is None:
        return ""
    return "\n".join(value) if isinstance(value, tuple) else str(value).lower()


def section(heading: str) -> str:
    """Give what stands under a heading of the README."""
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def tables(text: str) -> dict[str, list[list[str]]]:
    """Read the first table before and under each heading of level 3, without its head."""
    found = {}
    for part in re.split(r"^### ", f"\n{text}", flags=re.MULTILINE):
        heading, _, lines = part.partition("\n")
        rows = [line for line in lines.partition("\n| ")[2].partition("\n\n")[0].splitlines() if line.startswith("| ")]
        if rows:
            found[heading] = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    return found


def test_action_inputs() -> None:
    """action.yml has each input with its words and default, in the same order, then the aliases."""
    assert list(ACTION["inputs"]) == [*INPUTS, *sorted(ALIASES)]
    for name, each in INPUTS.items():
        expected = each.description + (f" Default: `{default(name)}`." if default(name) else "")
        assert ACTION["inputs"][name] == {"description": expected}
    for alias, name in ALIASES.items():
        assert set(ACTION["inputs"][alias]) == {"description", "deprecationMessage"}
        assert f"`{name}`" in ACTION["inputs"][alias]["deprecationMessage"]


def test_readme_inputs() -> None:
    """The README's tables of inputs, one for each task, say the same, each input once and in the same order."""
    groups = tables(section("Inputs"))
    assert len(groups) >= 7
    assert "" not in groups
    rows = [(f"`{name}`", f"`{default(name)}`" if default(name) else "", INPUTS[name].description) for name in INPUTS]
    assert [tuple(row) for group in groups.values() for row in group] == rows
    assert all(f"`{alias}`" in section("Inputs") for alias in ALIASES)


def test_readme_outputs() -> None:
    """The README's table of outputs says what action.yml says."""
    rows = [(f"`{name}`", output["description"]) for name, output in ACTION["outputs"].items()]
    assert [tuple(row) for row in tables(section("Outputs"))[""]] == rows


def test_examples_use_what_exists() -> None:
    """Every step of an example in the documents that uses this action gives inputs and reads outputs that exist."""
    seen = 0
    for document in DOCUMENTS:
        for block in re.findall(r"```yaml\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL):
            example = yaml.safe_load(block)
            for step in _steps(example):
                if "publish-action@" in str(step.get("uses")):
                    seen += 1
                    assert set(step.get("with", {})) <= set(ACTION["inputs"])
            assert set(re.findall(r"steps\.publish\.outputs\.([a-z-]+)", block)) <= set(ACTION["outputs"])
    assert seen >= 3


def _steps(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        own = [node] if "uses" in node else []
        return own + [step for value in node.values() for step in _steps(value)]
    if isinstance(node, list):
        return [step for value in node for step in _steps(value)]
    return []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Relative links of the documents point to files that exist."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_commands_of_the_readme() -> None:
    """The README names the two commands, and the Makefile has them."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_versions() -> None:
    """The version is written in one place, and the change log knows it or what comes next."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in changes or f"## {__version__}" in changes


def test_lock_holds_every_dependency() -> None:
    """Each dependency of the program is locked, with hashes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for requirement in project["project"]["dependencies"]:
        name = re.match(r"[a-z0-9-]+", requirement)
        assert name
        assert re.search(rf"^{name[0]}==\S+ \\\n    --hash=sha256:", lock, re.MULTILINE)


def test_states_are_documented() -> None:
    """Each state and exit status of the report has its row in docs/report.md."""
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    for state in schema()["$defs"]["file"]["properties"]["state"]["enum"]:
        assert f"| `{state}` |" in text
    for status in (0, 1, 2):
        assert f"| {status} |" in text


def test_layout_is_drawn() -> None:
    """docs/design.md draws every module of the program, and none that is not there."""
    drawn = set(
        re.findall(r"^  +(\w+(?:\.py|/))", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    package = ROOT / "entrypoint"
    there = {path.name for path in package.rglob("*.py") if path.name != "__init__.py"}
    there |= {f"{path.name}/" for path in package.iterdir() if (path / "__init__.py").is_file()}
    assert drawn == there


def test_every_kind_of_error_is_used() -> None:
    """No kind of error is drawn that nothing raises."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "entrypoint").rglob("*.py"))
    for kind in _kinds(PublishError):
        assert len(re.findall(rf"\b{kind.__name__}\b", source)) > 2


def _kinds(kind: type[PublishError]) -> list[type[PublishError]]:
    return [kind, *(inner for each in kind.__subclasses__() for inner in _kinds(each))]
