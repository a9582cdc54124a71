"""The action's definition: `action.yml` as the runner loads it, and the values that inputs get from it.

Keys and contexts are those of actions/runner 2.336, `action_yaml.json`; the reading of plain scalars is YAML 1.2's
core schema (https://yaml.org/spec/1.2.2/#103-core-schema).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RUNS = frozenset({
    "using", "image", "entrypoint", "args", "env", "pre-entrypoint", "pre-if", "post-entrypoint", "post-if",
})  # fmt: skip
"""Keys that a Docker container action may have under `runs`."""

DEFAULT_CONTEXTS = frozenset({"github", "strategy", "matrix", "job", "runner"})
"""Contexts that the default of an input may use."""

STEP_CONTEXTS = DEFAULT_CONTEXTS | {"env", "inputs", "needs", "secrets", "steps", "vars"}
"""Contexts that `with:` of a step may use (GitHub's documentation, "Context availability")."""

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_REFERENCE = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*|\['[^']*'\])*")
_PART = re.compile(r"[\w-]+|'[^']*'")


class DefinitionError(ValueError):
    """The runner refuses to load this action, or to evaluate this value."""


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input; `default` is not evaluated yet."""

    default: str = ""
    deprecation: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What an `action.yml` says."""

    name: str
    image: str
    inputs: Mapping[str, Input]
    outputs: frozenset[str]
    env: Mapping[str, str]
    entrypoint: str | None = None


class _Loader(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, where `yes` is true; the runner reads the core schema of 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the base class's own type

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise DefinitionError(f"'{key}' is already defined")
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("null", r"null|Null|NULL|~|", "nN~"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    for _character in [*_first, *([""] if _tag == "null" else [])]:
        _Loader.yaml_implicit_resolvers.setdefault(_character, []).append(
            (f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"))
        )


def _integer(_loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(node.value, 0 if node.value[:2] in ("0o", "0x") else 10)  # 010 is ten in the core schema


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def scalar(value: object) -> str:
    """Give a YAML or context value as the text that an input gets: `true` for a boolean, `3.1` for 3.10."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, (dict, list)):
        return "Object" if isinstance(value, dict) else "Array"
    return str(value)


def load(folder: Path) -> Definition:
    """Read `action.yml`, else `action.yaml`. Raises `DefinitionError` for what the runner refuses."""
    path = next((folder / name for name in ("action.yml", "action.yaml") if (folder / name).is_file()), None)
    if path is None:
        raise DefinitionError(f"Can't find 'action.yml' or 'action.yaml' under '{folder}'")
    document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader with the core schema
    runs = document.get("runs") or {}
    if unknown := sorted(set(runs) - RUNS):
        raise DefinitionError(f"Unexpected value '{unknown[0]}' under runs")
    if str(runs.get("using", "")).lower() != "docker":
        raise DefinitionError("not a Docker container action")
    if "args" in runs:
        raise DefinitionError("args are not modelled: every input is in the environment, and args break at backslashes")
    image = scalar(runs.get("image"))
    if not image or _EXPRESSION.search(image):
        raise DefinitionError("runs.image must be a literal")
    declared = document.get("inputs") or {}
    inputs = {}
    for name, about in declared.items():
        about = about or {}  # noqa: PLW2901 - an input without any key is a null
        default, message = scalar(about.get("default")), about.get("deprecationMessage")
        for expression in _EXPRESSION.findall(default):
            _check(expression, DEFAULT_CONTEXTS)
        inputs[str(name)] = Input(default, None if message is None else scalar(message))
    return Definition(
        name=scalar(document.get("name")),
        image=image,
        inputs=inputs,
        outputs=frozenset(map(str, document.get("outputs") or {})),
        env={str(name): scalar(value) for name, value in (runs.get("env") or {}).items()},
        entrypoint=scalar(runs["entrypoint"]) if runs.get("entrypoint") else None,
    )


def evaluated(value: object, contexts: Mapping[str, object], allowed: frozenset[str] = STEP_CONTEXTS) -> str:
    """Replace each `${{ … }}` by what it refers to; what is not there is the empty text, names ignore case.

    References (`github.event.number`, `matrix['os']`) and text literals are known. Operators and functions are
    not: write the value they would have into the test.
    """
    return _EXPRESSION.sub(lambda match: _value(match[1].strip(), contexts, allowed), scalar(value))


def _value(expression: str, contexts: Mapping[str, object], allowed: frozenset[str]) -> str:
    if re.fullmatch(r"'([^']|'')*'", expression):
        return expression[1:-1].replace("''", "'")
    _check(expression, allowed)
    found: object = contexts
    for part in _PART.findall(expression):
        children = {str(key).lower(): child for key, child in found.items()} if isinstance(found, Mapping) else {}
        found = children.get(part.strip("'").lower())
    return scalar(found)


def _check(expression: str, allowed: frozenset[str]) -> None:
    expression = expression.strip()
    if not _REFERENCE.fullmatch(expression):
        raise DefinitionError(f"only references are evaluated here, not '{expression}'")
    if (context := _PART.findall(expression)[0].lower()) not in allowed:
        raise DefinitionError(f"Unrecognized named-value: '{context}'")
