"""Indexes that a workspace names for uv, in `uv.toml` or `pyproject.toml`.

uv's documentation and uv 0.13.9 as observed (2026-08): `publish-url` takes uploads, `url` is the simple index; a
`uv.toml` makes uv ignore `[tool.uv]` in the `pyproject.toml` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from entrypoint.errors import InputError
from entrypoint.index.urls import redacted

_NAME = re.compile(r"[A-Za-z0-9._-]+")
"""What uv takes as the name of an index."""
_PLACES = {"uv.toml": ("index",), "pyproject.toml": ("tool", "uv", "index")}
"""Files that may define indexes, the one that hides the other first → keys that lead to them."""
_EXAMPLE = """
[[tool.uv.index]]
name = "NAME"
url = "https://HOST/simple/"
publish-url = "https://HOST/upload/\""""


class NamedIndex(NamedTuple):
    """An index of a workspace. The URLs are as they stand in the file."""

    publish_url: str
    url: str | None
    place: str
    """Where it is defined, for messages: names the input and the file."""


def named_index(name: str, workspace: Path) -> NamedIndex:
    """Look an index up by its name.

    Raises `InputError` if it is not there, is there twice, or takes no uploads.
    """
    if not _NAME.fullmatch(name):
        raise _error(
            f"`{redacted(name)}` is no name of an index: letters, digits, `-`, `_` and `.` make one",
            "Give `pypi`, `testpypi` or the name of an index that the workspace defines; a URL goes into "
            "`repository-url`.",
        )
    file, indexes = _indexes(workspace)
    found = [index for index in indexes if index.get("name") == name]
    if not found:
        names = ", ".join(f"`{other}`" for other in sorted(str(index["name"]) for index in indexes if "name" in index))
        known = f"the names in `{file}` are: {names}" if names else f"`{file}` names no index"
        hides = " (`[tool.uv]` in `pyproject.toml` does not count beside a `uv.toml`)" if file == "uv.toml" else ""
        raise _error(f"there is no index `{name}`: {known}{hides}", _defining(name, file))
    if len(found) > 1:
        raise _error(f"`{file}` defines `{name}` {len(found)} times", "Keep one of them.")
    [index] = found
    publish_url, url = _text(index, "publish-url", name, file), _text(index, "url", name, file)
    if not publish_url:
        raise _error(f"`{name}` in `{file}` has no `publish-url`, so it takes no uploads", _defining(name, file))
    return NamedIndex(publish_url, url, f"`index` (`{name}` in `{file}`)")


def _indexes(workspace: Path) -> tuple[str, list[Mapping[str, object]]]:
    """Give the name of the file that counts, and the indexes in it."""
    import tomllib  # noqa: PLC0415 - most runs name no index

    file = next((name for name in _PLACES if (workspace / name).is_file()), None)
    if file is None:
        raise _error(
            "the workspace has neither a `pyproject.toml` nor a `uv.toml` to look it up in",
            "Check the repository out before this step (`actions/checkout`), or give `repository-url` instead.",
        )
    try:
        value: object = tomllib.loads((workspace / file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise _error(f"`{file}` cannot be read: {cause}", f"Correct `{file}`.") from cause
    for key in _PLACES[file]:
        value = value.get(key, {} if key != "index" else []) if isinstance(value, dict) else None
    if not isinstance(value, list) or not all(isinstance(index, dict) for index in value):
        raise _error(f"`{'.'.join(_PLACES[file])}` in `{file}` is no array of tables", _defining("NAME", file))
    return file, value


def _text(index: Mapping[str, object], key: str, name: str, file: str) -> str | None:
    value = index.get(key)
    if value is not None and not isinstance(value, str):
        raise _error(f"`{key}` of `{name}` in `{file}` is no text", _defining(name, file))
    return value


def _defining(name: str, file: str) -> str:
    example = _EXAMPLE.replace("NAME", name)
    return f"Define it in `{file}`:\n{example if file == 'pyproject.toml' else example.replace('tool.uv.', '')}"


def _error(detail: str, tip: str) -> InputError:
    return InputError("Input `index` leads to no index", f"`index`: {detail}.", tip)
