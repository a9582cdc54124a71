"""The documents about signing in and attestations: each error leads to a heading, each example is what it says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
import yaml

from entrypoint.credentials import google_hints
from entrypoint.credentials.problems import PAGE, anchor
from entrypoint.inputs import PROVIDER_FORM, Inputs, provider_name
from tests.line import ROOT

PACKAGES = ("attestations", "credentials")
"""Packages whose errors lead to docs/troubleshooting.md."""
MODULES = sorted(path for package in PACKAGES for path in (ROOT / "entrypoint" / package).glob("*.py"))
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
GUIDES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("pypi", "google", "migrating")),
    TROUBLESHOOTING,
]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
LITERAL = ("No ID token", "PyPI", "Google", "Keyring", "Attestations")
"""Groups of headings that are titles of errors, each as it stands in the code."""
TOOLS = Path(sys.executable).parent


class Heading(NamedTuple):
    """A heading of a document."""

    level: int
    text: str
    """In Markdown."""


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str


# Documents


def split(markdown: str) -> tuple[list[str], list[Block]]:
    """Take a document apart: lines that are prose, and fenced blocks."""
    prose: list[str] = []
    blocks: list[Block] = []
    fence: str | None = None
    inside: list[str] = []
    for line in markdown.splitlines():
        mark = re.match(r"\s*```(\w*)\s*$", line)
        if fence is None and mark:
            fence, inside = mark[1], []
        elif fence is not None and mark and not mark[1]:
            blocks.append(Block(fence, "\n".join(inside) + "\n"))
            fence = None
        elif fence is None:
            prose.append(line)
        else:
            inside.append(line)
    assert fence is None, "a block without an end"
    return prose, blocks


def headings(markdown: str) -> list[Heading]:
    """Find the headings of a document."""
    found = [re.match(r"(#+) +(.*?)(?: +#+)?$", line) for line in split(markdown)[0]]
    return [Heading(len(each[1]), each[2]) for each in found if each]


def fragment(heading: str) -> str:
    """Give the fragment that GitHub makes of a heading: what is seen of it, in small letters, without punctuation."""
    seen = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    kept = [each for each in seen.lower() if each.isalnum() or each in "_- "]
    return "".join(kept).replace(" ", "-")


def groups(markdown: str) -> dict[str, list[str]]:
    """Give the headings of level 3 under each one of level 2."""
    found: dict[str, list[str]] = {}
    group: list[str] = []
    for level, text in headings(markdown):
        if level == 2:
            group = found.setdefault(text, [])
        elif level == 3:
            group.append(text)
    return found


def broken(document: Path, markdown: str) -> Iterator[str]:
    """Yield the relative links of a document that lead to no file, or to no heading in it."""
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", re.sub(r"`[^`]*`", "`", "\n".join(split(markdown)[0]))):
        path, _, name = target.partition("#")
        file = (document.parent / unquote(path)) if path else document
        if path and not file.exists():
            yield target
        elif name and file.suffix == ".md":
            text = markdown if file == document else file.read_text(encoding="utf-8")
            if name not in {fragment(each.text) for each in headings(text)}:
                yield target


def blocks(document: Path, language: str) -> list[str]:
    """Give the fenced blocks of a language in a document."""
    return [each.text for each in split(document.read_text(encoding="utf-8"))[1] if each.language == language]


def examples(language: str) -> list[Any]:
    """Give every block of a language in the guides, as parameters that say where it is."""
    found = []
    for document in GUIDES:
        for number, text in enumerate(blocks(document, language), start=1):
            found.append(pytest.param(text, id=f"{document.name}-{number}"))
    return found


# Titles in the code


class UnreadableError(AssertionError):
    """A call of `documented` of which this test cannot tell the title."""


def titles(source: str) -> set[str]:
    """Find every title, or heading where one is given, of the calls of `documented` in a module."""
    tree = ast.parse(source)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == "documented":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            args = list(_spread(node.args, tree))
            first = given.get("heading") or (args[0] if args else given.get("title"))
            if isinstance(first, ast.Constant) and first.value is None:
                first = args[0]
            found |= _texts(first, tree)
    return found


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _spread(args: Iterable[ast.expr], tree: ast.Module) -> Iterator[ast.expr]:
    """Give the arguments of a call, those of a tuple of this module one by one, as in `documented(*_UNKNOWN)`."""
    for arg in args:
        tuples = [
            each.value.elts
            for each in tree.body
            if isinstance(arg, ast.Starred) and isinstance(each, ast.Assign) and isinstance(each.value, ast.Tuple)
            if _name(each.targets[0]) == _name(arg.value)
        ]
        yield from tuples[0] if tuples else [arg]


def _texts(node: ast.expr | None, tree: ast.Module) -> set[str]:
    """Give the texts that an expression may be."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return _texts(body, tree) | _texts(orelse, tree)
        case ast.Attribute(attr=field):
            found = set(_fields(field, tree))
        case ast.Name(id=variable):
            found = set(_unpacked(variable, tree))
        case _:
            found = set()
    if not found:
        shown = ast.unparse(node) if node else "nothing"
        raise UnreadableError(f"`documented({shown}, …)`: which heading is that? Write a text, or give `heading=`.")
    return found


def _fields(field: str, tree: ast.Module) -> Iterator[str]:
    """Find what the calls of a class of this module give for one of its fields, as in the table `_STS`."""
    for kind in (each for each in tree.body if isinstance(each, ast.ClassDef)):
        names = [_name(each.target) for each in kind.body if isinstance(each, ast.AnnAssign)]
        if field in names:
            for call in ast.walk(tree):
                if isinstance(call, ast.Call) and _name(call.func) == kind.name:
                    given = {keyword.arg: keyword.value for keyword in call.keywords}
                    args, place = list(_spread(call.args, tree)), names.index(field)
                    yield from _texts(args[place] if place < len(args) else given.get(field), tree)


def _unpacked(variable: str, tree: ast.Module) -> Iterator[str]:
    """Find what a variable gets from a table of tuples, as in `title, more, tip = _OTHERS[code]`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id == variable:
            yield from _texts(node.value, tree)
        names = [_name(each) for each in target.elts] if isinstance(target, ast.Tuple) else []
        if variable not in names or not isinstance(node.value, ast.Subscript):
            continue
        for table in ast.walk(tree):
            if (
                isinstance(table, ast.Assign)
                and isinstance(table.value, ast.Dict)
                and _name(table.targets[0]) == _name(node.value.value)
            ):
                for row in table.value.values:
                    cell = row.elts[names.index(variable)] if isinstance(row, ast.Tuple) else None
                    yield from _texts(cell, tree)


def all_titles() -> set[str]:
    """Find the titles in all modules."""
    return {title for module in MODULES for title in titles(module.read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('raise documented("One", "", "")', {"One"}),
        ('raise problems.documented("One" if a else "Two", "", "")', {"One", "Two"}),
        ('documented(title="One", detail="", tip="")', {"One"}),
        ('documented(f"{a} is bad", "", "", heading="It is bad")', {"It is bad"}),
        ('documented("One", "", "", heading=None)', {"One"}),
        ('_OTHERS = {1: ("One", "a"), 2: ("Two", "b")}\ntitle, tip = _OTHERS[code]\ndocumented(title, "", tip)', None),
        (
            'class S:\n  a: str\n  title: str\nT = (S("x", "One"), S("y", title="Two"))\ndocumented(s.title, "", "")',
            None,
        ),
        ('T = ("One", "a")\ndocumented(*T)\nclass S:\n  a: str\n  title: str\nS("", "Two")\ndocumented(s.title)', None),
        ('title = "One" if a else "Two"\ndocumented(title, "", "")', None),
    ],
)
def test_titles_are_found(source: str, expected: set[str] | None) -> None:
    """Titles are read from calls and from tables."""
    assert titles(source) == (expected or {"One", "Two"})


@pytest.mark.parametrize(
    "source",
    [
        'documented(f"{a} is bad", "", "")',
        'documented(title, "", "")',
        'documented(a.title, "", "")',
        "documented(*gone)",
    ],
)
def test_titles_that_cannot_be_read(source: str) -> None:
    """A title that is not known before the program runs is told, not passed over."""
    with pytest.raises(UnreadableError, match="which heading"):
        titles(source)


def test_no_module_escapes() -> None:
    """Every link to the page is made by `documented`, under its own name; and the titles are not just a few."""
    assert len(all_titles()) >= 45
    for module in MODULES:
        source = module.read_text(encoding="utf-8")
        assert not re.search(r"documented as|= *documented\b(?!\()", source), module.name
        assert "troubleshooting.md#" not in source, module.name
    assert PAGE.endswith("/docs/troubleshooting.md")


# Headings


def unlinked(markdown: str, wanted: Iterable[str]) -> list[str]:
    """Give the titles whose link would lead to no heading, or to one with other words."""
    there = {fragment(each.text): each.text for each in headings(markdown)}
    return sorted(title for title in wanted if there.get(anchor(title)) != title)


def orphans(markdown: str, wanted: Iterable[str]) -> list[str]:
    """Give the headings in the groups of titles that are no title."""
    there = groups(markdown)
    return sorted({text for group in LITERAL for text in there[group]} - set(wanted))


def doubles(markdown: str) -> list[str]:
    """Give the fragments that two headings share."""
    return [name for name, times in Counter(fragment(each.text) for each in headings(markdown)).items() if times > 1]


def test_every_title_has_a_heading() -> None:
    """Each error leads to a heading with its very title, in a group of titles; and each heading there has an error."""
    text = TROUBLESHOOTING.read_text(encoding="utf-8")
    assert unlinked(text, all_titles()) == []
    assert orphans(text, all_titles()) == []
    grouped = [each for group in LITERAL for each in groups(text)[group]]
    assert sorted(grouped) == sorted(all_titles())


def test_headings_are_told_apart() -> None:
    """No two headings of a document share a fragment."""
    for document in DOCUMENTS:
        assert doubles(document.read_text(encoding="utf-8")) == [], document.name


def test_every_section_helps() -> None:
    """A section under a title says what it means, how to check, and what to do, in lines that one reads."""
    text = TROUBLESHOOTING.read_text(encoding="utf-8")
    for section in text.partition("\n## What servers say\n")[0].split("\n### ")[1:]:
        title, _, rest = section.partition("\n")
        body = rest.partition("\n## ")[0]
        starts = re.findall(r"^\* (Means|Check|Do): ", body, re.MULTILINE)
        assert starts == ["Means", "Check", "Do"], title
        assert 3 <= len(split(body)[0]) <= 14, title


def test_the_checks_of_headings_can_fail() -> None:
    """A renamed title, a heading that is left over and a double are found."""
    text = (
        "".join(f"## {group}\n### Under {group}\n" for group in LITERAL) + "### `a-b: c` isn't\n## Words\n### It is\n"
    )
    known = ["`a-b: c` isn't", *(f"Under {group}" for group in LITERAL)]
    assert unlinked(text, known) == []
    assert orphans(text, known) == []
    assert doubles(text) == []
    assert unlinked(text, ["`a-b: c` is not"]) == ["`a-b: c` is not"]
    assert unlinked(text, ["`A-b: c` isn't"]) == ["`A-b: c` isn't"]
    assert orphans(text, known[1:]) == known[:1]
    assert doubles(text + "#### under: google\n") == ["under-google"]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("No ID token: `id-token: write` is missing", "no-id-token-id-token-write-is-missing"),
        ("`pull_request_target` may not publish", "pull_request_target-may-not-publish"),
        ("GitHub's URL for ID tokens is not https", "githubs-url-for-id-tokens-is-not-https"),
        ("A & B [c](d.md) é", "a--b-c-é"),
    ],
)
def test_fragments(heading: str, expected: str) -> None:
    """Fragments are what GitHub makes of headings."""
    assert fragment(heading) == expected
    if "[" not in heading:
        assert anchor(heading) == expected


# Links


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links(document: Path) -> None:
    """Relative links lead to files and headings that exist."""
    assert list(broken(document, document.read_text(encoding="utf-8"))) == []


def test_links_can_be_broken() -> None:
    """A link to no file, to no heading here, and to no heading there is found; what is in a block is none."""
    text = (
        "# It is\n[a](#it-is) [b](recovery.md#afterwards) [c](../README.md) [d](https://example.org/x#y)\n"
        "[e](#it-was) [f](recovery.md#before) [g](gone.md)\n```\n[h](nowhere.md)\n```\n"
    )
    assert list(broken(ROOT / "docs" / "new.md", text)) == ["#it-was", "recovery.md#before", "gone.md"]


def test_documents_lead_to_each_other() -> None:
    """The guides lead to the errors' page, and it to the guides."""
    assert "(troubleshooting.md" in (ROOT / "docs" / "pypi.md").read_text(encoding="utf-8")
    assert "(troubleshooting.md" in (ROOT / "docs" / "google.md").read_text(encoding="utf-8")
    text = TROUBLESHOOTING.read_text(encoding="utf-8")
    assert "(pypi.md" in text
    assert "(google.md" in text


# YAML


def steps(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every step of an example, wherever it is."""
    if isinstance(node, dict):
        if "uses" in node:
            yield node
        for value in node.values():
            yield from steps(value)
    elif isinstance(node, list):
        for value in node:
            yield from steps(value)


def faults(text: str) -> Iterator[str]:
    """Yield what is wrong with an example in YAML."""
    try:
        example = yaml.safe_load(text)
    except yaml.YAMLError as error:
        yield f"no YAML: {error}"
        return
    known = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    for step in steps(example):
        uses = str(step["uses"])
        if uses.startswith("org/publish-action@"):
            given = {str(name): str(value) for name, value in (step.get("with") or {}).items()}
            yield from (f"no input `{name}`" for name in given if name not in known)
            if set(given) <= set(known):
                yield from _refused(given)
        elif not re.fullmatch(r"\./\S+|\S+@[0-9a-f]{40}", uses):
            yield f"not pinned: {uses}"


def _refused(given: Mapping[str, str]) -> Iterator[str]:
    """Yield what the program says to the inputs of an example; words in capitals are filled in first."""
    filled = {
        name: value.replace("NUMBER", "1").replace("POOL", "p").replace("PROVIDER", "q")
        for name, value in given.items()
    }
    try:
        Inputs.read({f"INPUT_{name.upper()}": value for name, value in filled.items()})
    except ExceptionGroup as group:
        yield from (str(error) for error in group.exceptions)


@pytest.mark.parametrize("text", examples("yaml"))
def test_yaml_examples(text: str) -> None:
    """Every example in YAML parses, gives this action inputs that it takes, and pins other actions."""
    assert list(faults(text)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "no YAML"),
        ("steps:\n- uses: org/publish-action@v1\n  with: {pasword: x}", "no input `pasword`"),
        ("jobs: {a: {steps: [{uses: org/publish-action@v1, with: {dry-run: maybe}}]}}", "dry-run"),
        ("steps: [{uses: org/publish-action@v1, with: {google-workload-identity-provider: projects/a/b}}]", "expected"),
        ("steps: [{uses: actions/checkout@v6}]", "not pinned"),
    ],
)
def test_yaml_can_be_wrong(text: str, expected: str) -> None:
    """A block that is no YAML, an unknown input, a bad value and a tag are found."""
    assert expected in "\n".join(faults(text))


def test_one_version_of_each_action() -> None:
    """The same action has the same commit in all documents and workflows."""
    texts = [path.read_text(encoding="utf-8") for path in (*DOCUMENTS, *(ROOT / ".github" / "workflows").glob("*.yml"))]
    used = {match for text in texts for match in re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40}) # (v[\d.]+)", text)}
    assert len(used) >= 4
    assert max(Counter(action for action, _, _ in used).values()) == 1


def is_workflow(text: str) -> bool:
    """Tell whether an example is a whole workflow."""
    example = yaml.safe_load(text)
    return isinstance(example, dict) and "jobs" in example and bool({"on", True} & set(example))  # `on` is a boolean


ZIZMOR = {
    "unpinned-uses": {"config": {"policies": {"org/*": "ref-pin", "*": "hash-pin"}}},  # this action may be a tag
    "self-repository": {"disable": True},  # `./` is the form that everybody knows
}
"""Rules that are not zizmor's usual ones."""


def complaints(text: str, folder: Path) -> str:
    """Say what actionlint and zizmor have against a workflow."""
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "release.yml").write_text(text, encoding="utf-8")
    if "./.github/workflows/build.yml" in text:
        called = "on: workflow_call\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n"
        (workflows / "build.yml").write_text(f"name: Build\npermissions: {{}}\n{called}", encoding="utf-8")
    (folder / "zizmor.yml").write_text(yaml.safe_dump({"rules": ZIZMOR}), encoding="utf-8")
    return ran(["actionlint", "-no-color", ".github/workflows/release.yml"], folder) + ran(
        ["zizmor", "--offline", "--no-progress", "--quiet", "--config", "zizmor.yml", "."], folder
    )


def ran(command: list[str], folder: Path, given: str | None = None) -> str:
    """Give what a tool prints if it finds something; nothing if it does not."""
    environ = os.environ | {"PATH": f"{TOOLS}:{os.environ['PATH']}", "NO_COLOR": "1"}
    program = str(TOOLS / command[0]) if (TOOLS / command[0]).exists() else command[0]
    finished = subprocess.run(
        [program, *command[1:]], cwd=folder, env=environ, input=given, capture_output=True, text=True, check=False
    )
    return f"{command[0]}: {finished.stdout}{finished.stderr}" if finished.returncode else ""


@pytest.mark.parametrize("text", [each for each in examples("yaml") if is_workflow(str(each.values[0]))])
def test_workflows(text: str, tmp_path: Path) -> None:
    """A whole workflow has nothing that actionlint or zizmor complain about."""
    assert complaints(text, tmp_path) == ""


def test_there_are_workflows() -> None:
    """Each guide has a whole workflow to copy."""
    for name in ("pypi.md", "google.md"):
        assert any(map(is_workflow, blocks(ROOT / "docs" / name, "yaml"))), name


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("runs-on: ubuntu-latest", "run-on: ubuntu-latest", "actionlint"),
        ("id-token: write", "id-tokens: write", "actionlint"),
        ("persist-credentials: false", "fetch-depth: 0", "zizmor"),
        ("de0fac2e4500dabe0009e67214ff5f5447ce83dd", "v6", "zizmor"),
    ],
)
def test_workflows_can_be_wrong(old: str, new: str, expected: str, tmp_path: Path) -> None:
    """Both tools run, and find what is put in."""
    text = next(each for each in blocks(ROOT / "docs" / "pypi.md", "yaml") if is_workflow(each))
    assert old in text
    assert f"{expected}: " in complaints(text.replace(old, new), tmp_path)


# Shell


def objections(text: str, folder: Path) -> str:
    """Say what bash and shellcheck have against a block."""
    return ran(["bash", "-n"], folder, text) + ran(["shellcheck", "--shell=bash", "-"], folder, text)


@pytest.mark.parametrize("text", examples("sh"))
def test_shell_examples(text: str, tmp_path: Path) -> None:
    """Every shell block is one, and shellcheck has nothing against it."""
    assert objections(text, tmp_path) == ""


@pytest.mark.parametrize(("text", "expected"), [("if true; then\n", "bash: "), ("rm -r $1/x\n", "SC2086")])
def test_shell_can_be_wrong(text: str, expected: str, tmp_path: Path) -> None:
    """A block without an end, and a variable without quotes, are found."""
    assert expected in objections(text, tmp_path)


STAND_IN = """\
#!/bin/sh
{ printf '%s\\t' "${0##*/}" "$@"; echo; } >>"$CALLS"
case "$*" in
  "projects describe "*) echo 123456789012 ;;
  *.owner.id) echo 65 ;;
  *.id) echo 74 ;;
esac
"""
"""Stands in for gcloud and gh: notes how it was called, and gives the numbers."""


def run_setup(text: str, folder: Path) -> tuple[str, list[list[str]]]:
    """Run a block with stand-ins for gcloud and gh: give what it prints, and the calls."""
    calls = folder / "calls"
    calls.touch()
    for name in ("gcloud", "gh"):
        (folder / name).write_text(STAND_IN, encoding="utf-8")
        (folder / name).chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "CALLS": str(calls)}
    finished = subprocess.run(
        ["bash", "-eu"], input=text, env=environ, cwd=folder, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout, [line.rstrip("\t").split("\t") for line in calls.read_text(encoding="utf-8").splitlines()]


def option(call: list[str], name: str) -> str:
    """Give the value of an option of a call."""
    return next(each.partition("=")[2] for each in call if each.startswith(f"--{name}="))


def test_setup_of_google(tmp_path: Path) -> None:
    """The block runs as it is, in six commands as the errors say, and ends with inputs that the action takes.

    Only this repository gets a token, by its numbers; and the member that gets the role is of an attribute that the
    provider maps, as is that of the commands which errors print.
    """
    printed, calls = run_setup(blocks(ROOT / "docs" / "google.md", "sh")[0], tmp_path)
    inputs = yaml.safe_load(printed)
    assert list(_refused(inputs)) == []
    assert inputs["repository-url"] == "https://us-central1-python.pkg.dev/octo-project/python/"
    provider = inputs["google-workload-identity-provider"]
    assert provider == provider_name(provider)
    assert len(provider.split("/")) == len(PROVIDER_FORM.split("/"))

    gcloud = [call[1:] for call in calls if call[0] == "gcloud"]
    assert len(gcloud) == 6
    assert "in six commands" in Path(google_hints.__file__).read_text(encoding="utf-8")
    (created,) = (call for call in gcloud if "create-oidc" in call)
    assert option(created, "issuer-uri") == "https://token.actions.githubusercontent.com"
    assert option(created, "attribute-condition") == (
        "assertion.repository_owner_id == '65' && assertion.repository_id == '74'"
    )
    mapping = dict(each.split("=") for each in option(created, "attribute-mapping").split(","))
    assert mapping["google.subject"] == "assertion.sub"
    (bound,) = (call for call in gcloud if "add-iam-policy-binding" in call)
    assert option(bound, "role") == "roles/artifactregistry.writer"
    pool = provider.partition("/providers/")[0]
    assert option(bound, "member") == f"principalSet://iam.googleapis.com/{pool}/attribute.repository_id/74"
    hinted = google_hints.Facts(index=None, source="", provider=provider).set  # type: ignore[arg-type] # not looked at
    for member in (option(bound, "member"), hinted):
        name = member.partition(f"{pool}/")[2].split("/")[0]
        assert mapping[name] == f"assertion.{name.removeprefix('attribute.')}"


def test_setup_with_a_service_account(tmp_path: Path) -> None:
    """The second block goes on where the first ends: the repository may act as the account, which may write."""
    first, second = blocks(ROOT / "docs" / "google.md", "sh")[:2]
    _, calls = run_setup(first + second, tmp_path)
    account = "publisher@octo-project.iam.gserviceaccount.com"
    acting, writing = calls[-2:]
    assert acting[1:5] == ["iam", "service-accounts", "add-iam-policy-binding", account]
    assert option(acting, "role") == "roles/iam.workloadIdentityUser"
    assert option(acting, "member").endswith("/attribute.repository_id/74")
    assert option(writing, "role") == "roles/artifactregistry.writer"
    assert option(writing, "member") == f"serviceAccount:{account}"
    assert account in (ROOT / "docs" / "google.md").read_text(encoding="utf-8")
