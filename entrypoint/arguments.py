"""Arguments: the same inputs as flags, for a person at a terminal."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from entrypoint import __version__
from entrypoint.errors import InputError
from entrypoint.inputs import BOOLEANS, INPUTS


def parse(arguments: Sequence[str]) -> dict[str, str]:
    """Read flags and file names into inputs by their kebab-case names.

    Prints help or version and raises `SystemExit` when asked to, or (status 2) when a flag is unknown.
    Raises `InputError` when files are named twice over, or a file is called `true`.
    """
    given = vars(_parser().parse_args(arguments))
    files: list[str] = given.pop("files")
    flags = {name: _text(value) for name, value in given.items() if value is not None}
    if words := [each for each in files if each.lower() in BOOLEANS and not os.path.lexists(each)]:
        raise InputError(
            "A flag has a value that it does not take",
            f"`{words[0]}` is read as the name of a file, and there is none.",
            "Write `--dry-run` for true and `--no-dry-run` for false, and all such flags alike.",
        )
    if files and "packages-dir" in flags:
        raise InputError(
            "Files are given twice",
            f"There is `--packages-dir`, and {len(files)} more as arguments.",
            "Name the files as arguments, or in `--packages-dir`, not both.",
        )
    return flags | ({"packages-dir": "\n".join(files)} if files else {})


def _text(value: str | bool) -> str:  # noqa: FBT001 - what a flag holds
    return value if isinstance(value, str) else str(value).lower()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="publish-action",
        description="Publish Python distributions to PyPI, Google Artifact Registry or any index, and say exactly what "
        "happened to every file. Every flag is also an input of the action, read from the environment as INPUT_<NAME>.",
        epilog="A password on a command line is visible to every user of the machine: set INPUT_PASSWORD instead.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"publish-action {__version__}")
    parser.add_argument("files", nargs="*", metavar="FILE", help="distributions, directories or globs (default: dist)")
    for name, each in INPUTS.items():
        text = each.description.replace("`", "").replace("%", "%%")
        if each.boolean:
            default = str(each.default).lower()
            parser.add_argument(
                f"--{name}", dest=name, action=argparse.BooleanOptionalAction, help=f"{text} (default: {default})"
            )
        else:
            parser.add_argument(f"--{name}", dest=name, metavar="VALUE", help=text)
    return parser
