"""The image itself: what is in it, and that nothing of a workflow's surroundings gets into the program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import entrypoint
from tests.action.machines import Docker
from tests.action.step import run_step

pytestmark = pytest.mark.image

TRAP = "raise SystemExit('a module of the workspace or the home was run')\n"

Finished = subprocess.CompletedProcess[str]


def docker_run(
    image: str, *arguments: str, options: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Finished:
    """Run the image without a network; `options` are those of `docker run`."""
    variables = [part for name, value in (env or {}).items() for part in ("-e", f"{name}={value}")]
    command = ["docker", "run", "--rm", "--network", "none", *options, *variables, image, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def python(image: str, source: str) -> Any:
    """Run Python source in the image as the program runs, and give the JSON that it prints."""
    finished = docker_run(image, "-I", "-X", "utf8", "-c", source, options=["--entrypoint", "/opt/venv/bin/python"])
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.fixture
def trapped(tmp_path: Path) -> Sequence[str]:
    """Give mounts of a workspace and a home full of modules that must not be imported."""
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    site = home / ".local" / "lib" / "python3.13" / "site-packages"
    site.mkdir(parents=True)
    (workspace / "entrypoint").mkdir(parents=True)
    (workspace / "entrypoint" / "__init__.py").write_text(TRAP)
    for name in ("httpx", "json", "pydantic", "sitecustomize"):
        (workspace / f"{name}.py").write_text(TRAP)
        (site / f"{name}.py").write_text(TRAP)
    (site / "usercustomize.py").write_text(TRAP)
    (site / "trap.pth").write_text(f"import sys; {TRAP}")
    return ["-v", f"{workspace}:/github/workspace", "-v", f"{home}:/github/home", "--workdir", "/github/workspace"]


@pytest.mark.parametrize("options", [[], ["--read-only"], ["--user", "1001:127"]], ids=["plain", "read-only", "user"])
def test_version(image: str, options: list[str]) -> None:
    """`docker run IMAGE --version` prints it, also with a read-only root and as another user."""
    finished = docker_run(image, "--version", options=options)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert entrypoint.__version__ in finished.stdout


def test_help(image: str) -> None:
    """`docker run IMAGE --help` names the inputs."""
    finished = docker_run(image, "--help")
    assert finished.returncode == 0
    assert "--packages-dir" in finished.stdout


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"PATH": "/nonsense"},
        {"PATH": "", "HOME": "/nowhere", "LANG": "xx_XX.nonsense", "LC_ALL": "C"},
        {"HOME": "/github/home", "PYTHONPATH": "/github/workspace", "PYTHONSTARTUP": "/github/workspace/json.py"},
        {"PYTHONHOME": "/nowhere", "PYTHONPLATLIBDIR": "x", "PYTHONUSERBASE": "/github/home/.local"},
        {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "VIRTUAL_ENV": "/nowhere"},
    ],
    ids=["nothing", "path", "locale", "pythonpath", "pythonhome", "settings"],
)
def test_surroundings(image: str, trapped: Sequence[str], env: Mapping[str, str]) -> None:
    """A workflow's PATH, PYTHON* and HOME, and modules in workspace and home, change nothing."""
    version = docker_run(image, "--version", options=[*trapped, "--read-only"], env=env)
    assert (version.returncode, version.stderr) == (0, "")
    # Without distributions it ends before the network: status 2, by its own message, with everything imported.
    finished = docker_run(image, options=[*trapped, "--read-only"], env={"GITHUB_ACTIONS": "true", **env})
    assert finished.returncode == 2, finished.stderr
    assert "was run" not in finished.stdout + finished.stderr
    assert "Traceback" not in finished.stdout + finished.stderr
    assert "::error" in finished.stdout


def test_a_step_that_finds_nothing(image: str, tmp_path: Path) -> None:
    """As a step of a workflow it fails with an error of its own, sets its outputs, and leaves the workspace alone."""
    (tmp_path / "action.yml").write_text(
        "name: publish\n"
        "inputs: {packages-dir: {default: dist}}\n"
        "outputs: {outcome: {description: what became of it}}\n"
        "runs: {using: docker, image: Dockerfile}\n"
    )
    workspace = tmp_path / "work" / "sample"
    result = run_step(
        tmp_path,
        workspace=workspace,
        runner=Docker(image, network="none", options=["--read-only"]),
        with_={"packages-dir": "${{ github.workspace }}/no-such-folder"},
        env={"PATH": "/nonsense"},
    )
    assert (result.exit_code, result.conclusion) == (2, "failure")
    assert result.environ["INPUT_PACKAGES-DIR"] == "/github/workspace/no-such-folder"
    assert "no-such-folder" in result.messages("error")[0]
    assert result.outputs["outcome"] == "failed"
    assert not list(workspace.iterdir())


def test_configuration(image: str) -> None:
    """The entry point is hardened, and user, folder, command and shell are left to GitHub."""
    answer = subprocess.run(["docker", "image", "inspect", image], check=True, capture_output=True, text=True)
    config = json.loads(answer.stdout)[0]["Config"]
    assert config["Entrypoint"] == ["/opt/venv/bin/python", "-I", "-u", "-X", "utf8", "-m", "entrypoint"]
    assert not config.get("User")
    assert config.get("WorkingDir") in ("", "/")
    assert not config.get("Cmd")
    assert not config.get("Volumes")
    assert config["Labels"]["org.opencontainers.image.title"] == "publish-action"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_what_is_installed(image: str) -> None:
    """The image has what requirements.txt locks, and no installer."""
    installed = python(
        image,
        "import importlib.metadata, json\n"
        "print(json.dumps({found.name.lower(): found.version for found in importlib.metadata.distributions()}))",
    )
    locked = {}
    for line in (Path(__file__).parents[2] / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name, _, version = line.partition(" ")[0].partition("==")
            locked[name] = version
    assert "pip" not in installed
    assert {name.replace("_", "-"): version for name, version in installed.items()}.items() <= locked.items()
    assert {"httpx", "pydantic", "packaging"} <= set(installed)


def test_everything_is_compiled(image: str) -> None:
    """No module is compiled at start, when there may be nowhere to write: byte-code is there and never checked."""
    uncompiled = python(
        image,
        "import json, pathlib, sys\n"
        "import entrypoint.__main__, httpx, pydantic\n"
        "specs = [m.__spec__ for m in list(sys.modules.values()) if getattr(m, '__spec__', None)]\n"
        "files = {s.origin: s.cached for s in specs if s.has_location and str(s.origin).endswith('.py')}\n"
        "assert len(files) > 100\n"
        "flags = {f: pathlib.Path(c).read_bytes()[4] if pathlib.Path(c).exists() else None for f, c in files.items()}\n"
        # PEP 552: bit 0 of the flags says that the file is found by its hash, bit 1 that the source is compared
        "print(json.dumps([f for f, flag in flags.items() if flag != 1]))",
    )
    assert uncompiled == []
