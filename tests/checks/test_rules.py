"""The rules and the table of them that people read."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from entrypoint import checks
from entrypoint.rule import Rule

TABLE = Path(__file__).parents[2] / "docs" / "preflight.md"
ROW = re.compile(r"^\| `([\w-]+)` \| [^|]+ \| (\w+) \| (\w+) \|", re.MULTILINE)


def rules() -> Iterator[Rule]:
    for module in pkgutil.iter_modules(checks.__path__, "entrypoint.checks."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Rule) and name.isupper():
                yield value


def test_names_are_unique() -> None:
    """A rule is known by its name."""
    names = [rule.name for rule in {id(rule): rule for rule in rules()}.values()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in names)


def test_table() -> None:
    """docs/preflight.md has a row for each rule, with its levels."""
    rows = {name: (pypi, elsewhere) for name, pypi, elsewhere in ROW.findall(TABLE.read_text("utf-8"))}
    for rule in rules():
        assert rows.get(rule.name) == (rule.pypi or "none", rule.elsewhere or "none"), rule.name
