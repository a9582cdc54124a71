"""How action.yml is read, and what becomes of `${{ }}`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.action.definition import DEFAULT_CONTEXTS, DefinitionError, evaluated, load

RUNS = "runs: {using: docker, image: Dockerfile}\n"


def definition(folder: Path, text: str, name: str = "action.yml") -> Path:
    """Write an action's definition."""
    (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("off", "off"),
        ("true", "true"),
        ("True", "true"),
        ("'True'", "True"),
        ("3.10", "3.1"),
        ("'3.10'", "3.10"),
        ("010", "10"),
        ("0x10", "16"),
        ("1e3", "1000"),
        ("12:30:45", "12:30:45"),
        ("2026-08-17", "2026-08-17"),
        ("1_000", "1_000"),
        ("null", ""),
        ("~", ""),
        ("", ""),
        ("|\n      a\n      b\n", "a\nb\n"),
    ],
)
def test_defaults_are_read_by_the_core_schema(tmp_path: Path, written: str, value: str) -> None:
    """Plain scalars are those of YAML 1.2: `yes` is text; numbers and booleans become text again."""
    text = f"name: n\ninputs:\n  some-input:\n    default: {written}\n{RUNS}"
    assert load(definition(tmp_path, text)).inputs["some-input"].default == value


def test_a_definition(tmp_path: Path) -> None:
    """Inputs, deprecations, outputs, image and environment are read; an input may have no keys at all."""
    loaded = load(
        definition(
            tmp_path,
            "name: n\n"
            "inputs:\n  a:\n  b: {deprecationMessage: use a}\n"
            "outputs: {url: {description: d}}\n"
            "runs: {using: Docker, image: 'docker://ghcr.io/o/i@sha256:0', env: {A: 1}, entrypoint: /x}\n",
            "action.yaml",
        )
    )
    assert loaded.inputs["a"].deprecation is None
    assert loaded.inputs["b"].deprecation == "use a"
    assert loaded.outputs == {"url"}
    assert loaded.image == "docker://ghcr.io/o/i@sha256:0"
    assert loaded.env == {"A": "1"}
    assert loaded.entrypoint == "/x"


@pytest.mark.parametrize(
    "text",
    [
        "name: n\n",
        "name: n\nruns: {using: node20, main: x}\n",
        "name: n\nruns: {using: docker}\n",
        "name: n\nruns: {using: docker, image: Dockerfile, shell: bash}\n",
        "name: n\nruns: {using: docker, image: '${{ github.action_ref }}'}\n",
        "name: n\nruns: {using: docker, image: Dockerfile, args: [a]}\n",
        f"name: n\nname: m\n{RUNS}",
        f"name: n\ninputs:\n  a: {{default: '${{{{ secrets.A }}}}'}}\n{RUNS}",
        f"name: n\ninputs:\n  a: {{default: '${{{{ env.A }}}}'}}\n{RUNS}",
    ],
)
def test_what_is_refused(tmp_path: Path, text: str) -> None:
    """Unknown keys of `runs`, duplicate keys, an image that is no literal and a default's wrong context are errors."""
    with pytest.raises(DefinitionError):
        load(definition(tmp_path, text))


def test_no_definition(tmp_path: Path) -> None:
    """A folder without action.yml is an error."""
    with pytest.raises(DefinitionError, match=r"action\.yml"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        (True, "true"),
        (None, ""),
        (8, "8"),
        ("${{ github.workspace }}/dist", "/w/dist"),
        ("${{GitHub.Workspace}}", "/w"),
        ("${{ github.event.pull_request.head.repo.fork }}", "true"),
        ("${{ github['event']['number'] }}", "5"),
        ("${{ github.event.nothing.at.all }}", ""),
        ("${{ github.event }}", "Object"),
        ("${{ 'it''s' }} ${{ matrix.os }}", "it's "),
    ],
)
def test_expressions(value: str | bool | int | None, expected: str) -> None:
    """References ignore case; what is not there is empty; booleans are in lower case."""
    github = {"workspace": "/w", "event": {"number": 5, "pull_request": {"head": {"repo": {"fork": True}}}}}
    assert evaluated(value, {"github": github}) == expected


def test_expressions_that_are_not_known() -> None:
    """An operator, a function or a context out of place is an error and never silently empty."""
    for expression in ("github.a || 'b'", "format('x')", "secrets.A"):
        with pytest.raises(DefinitionError):
            evaluated(f"${{{{ {expression} }}}}", {}, DEFAULT_CONTEXTS)
