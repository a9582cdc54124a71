"""The rules and the tables of them that people read."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import entrypoint
from entrypoint import archive, checks
from entrypoint.rule import Rule

SOURCE = Path(entrypoint.__file__).parent
TABLE = SOURCE.parent / "docs" / "preflight.md"
ROW = re.compile(r"^\| `([\w-]+)` \| [^|]+ \| (\w+) \| (\w+) \| .*\|$", re.MULTILINE)
NAMED = re.compile(r"""(?:\brule=|\b_error\(\s*)"([\w-]+)\"""")
"""Where a note or an error gets the name of a rule that is no `Rule`."""


def rules() -> Iterator[Rule]:
    for package in (archive, checks):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Rule) and name.isupper():
                    yield value


def others() -> set[str]:
    return {name for path in SOURCE.rglob("*.py") for name in NAMED.findall(path.read_text("utf-8"))}


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall(TABLE.read_text("utf-8"))


def test_names_are_unique() -> None:
    """A rule is known by its name."""
    names = [rule.name for rule in {id(rule): rule for rule in rules()}.values()]
    assert len(names) == len(set(names))
    assert not others() & set(names)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in [*names, *others()])


def test_levels() -> None:
    """docs/preflight.md has each rule with its levels."""
    levels = {name: (pypi, elsewhere) for name, pypi, elsewhere in rows()}
    for rule in rules():
        assert levels.get(rule.name) == (rule.pypi or "none", rule.elsewhere or "none"), rule.name


def test_rows() -> None:
    """Each name that a note or an error can carry has one row, and no row is about a rule that is gone."""
    names = [name for name, _, _ in rows()]
    assert len(names) == len(set(names))
    assert set(names) == {rule.name for rule in rules()} | others()
