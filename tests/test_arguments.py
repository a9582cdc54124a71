"""Arguments: the inputs as flags, for a person at a terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from entrypoint import __version__
from entrypoint.arguments import parse
from entrypoint.errors import InputError
from entrypoint.inputs import INPUTS


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_is_a_flag(name: str) -> None:
    """Each input has a flag of its name; a boolean has one to say no, too."""
    if isinstance(INPUTS[name].default, bool):
        assert parse([f"--{name}"]) == {name: "true"}
        assert parse([f"--no-{name}"]) == {name: "false"}
    else:
        assert parse([f"--{name}", "value"]) == {name: "value"}


def test_nothing_given() -> None:
    """Without arguments nothing is given: the environment and the defaults decide."""
    assert parse([]) == {}


def test_files() -> None:
    """File names as arguments are `packages-dir`, spaces and all."""
    assert parse(["--strict", "a b.whl", "dist/*.tar.gz"]) == {
        "strict": "true",
        "packages-dir": "a b.whl\ndist/*.tar.gz",
    }


def test_files_twice() -> None:
    """Files as arguments and by flag are an error."""
    with pytest.raises(InputError, match="given twice"):
        parse(["--packages-dir", "dist", "a.whl"])


def program(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program with arguments and an empty environment."""
    command = [sys.executable, "-Im", "entrypoint", *arguments]
    return subprocess.run(command, cwd=folder, env={}, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--version"], 0, f"publish-action {__version__}\n"),
        (["--help"], 0, "--packages-dir VALUE"),
        (["--no-such-flag"], 2, "unrecognized arguments: --no-such-flag"),
        (["--pass", "x"], 2, "unrecognized arguments"),
        (["--packages-dir", "a", "b"], 2, "Files are given twice"),
        (["--dry-run", "true", "--packages-dir", "a"], 2, "A flag has a value that it does not take"),
        (["--strict", "No"], 2, "Write `--dry-run` for true and `--no-dry-run` for false"),
        ([], 2, "Nothing at 'dist'"),
        (["--timeout", "soon"], 2, "`timeout` is 'soon'"),
    ],
)
def test_as_a_process(arguments: list[str], status: int, said: str, tmp_path: Path) -> None:
    """Help and version succeed; what is wrong is said without a traceback and without a workflow command."""
    finished = program(*arguments, folder=tmp_path)
    assert finished.returncode == status
    assert said in finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    assert "::" not in finished.stdout


def test_the_version_needs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The version is told before anything is imported, in the words of the parser."""
    command = [sys.executable, "-I", "-X", "importtime", "-m", "entrypoint", "--version"]
    finished = subprocess.run(command, cwd=tmp_path, env={}, check=True, capture_output=True, text=True)
    assert "entrypoint" in finished.stderr
    assert not {"httpx", "argparse", "pydantic"} & {
        line.rpartition("|")[2].strip() for line in finished.stderr.splitlines()
    }
    with pytest.raises(SystemExit) as ended:
        parse(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, finished.stdout)
