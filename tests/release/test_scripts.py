"""The scripts of the workflows, run as the workflows run them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from entrypoint import __version__
from tests.line import ROOT

SCRIPTS = ROOT / ".github" / "scripts"


def run(name: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a few variables and no others of ours."""
    return subprocess.run(
        [str(SCRIPTS / name), *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# What a step left


def test_what_is_expected() -> None:
    """All values that differ are told, as annotations; one is enough to fail; a variable that is not set differs."""
    right = run("expect", "A", "1", "B", "", A="1", B="")
    assert (right.returncode, right.stdout) == (0, 'A is "1"\nB is ""\n')
    wrong = run("expect", "A", "1", "B", "2", "C", "", "D", "4", A="0", B="", D="4")
    assert wrong.returncode == 1
    assert wrong.stdout.splitlines() == [
        '::error::A is "0", expected was "1"',
        '::error::B is "", expected was "2"',
        "::error::C is not set",
        'D is "4"',
    ]


@pytest.mark.parametrize("arguments", [[], ["A"], ["A", "1", "B"]])
def test_nothing_is_expected(arguments: list[str]) -> None:
    """A check of nothing is no check."""
    assert run("expect", *arguments, A="1").returncode == 2


# An index for the containers of a job


@pytest.fixture
def prepared() -> None:
    """Skip where the tests do not run in the environment that `make` makes."""
    if not (ROOT / ".venv" / "bin" / "python").exists():
        pytest.skip("there is no .venv")


@pytest.fixture
def index(prepared: None, tmp_path: Path) -> Iterator[str]:
    """Start an index on loopback."""
    assert prepared is None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = run("start-index", "127.0.0.1", str(port), RUNNER_TEMP=str(tmp_path))
    assert started.returncode == 0, started.stderr
    found = dict(line.split("=", 1) for line in started.stdout.splitlines())
    yield found["url"]
    os.kill(int(found["pid"]), signal.SIGTERM)


def test_an_index_is_started(index: str) -> None:
    """It answers when the script ends, and lives on."""
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", index)
    assert httpx.get(f"{index}simple/").status_code == 200


def test_an_index_that_does_not_start(prepared: None, tmp_path: Path) -> None:
    """An address that is not this machine's fails, and the server's own words are shown."""
    assert prepared is None
    failed = run("start-index", "192.0.2.1", "18238", RUNNER_TEMP=str(tmp_path))
    assert failed.returncode == 1
    assert "no answer from http://192.0.2.1:18238/" in failed.stderr
    assert "assign requested address" in failed.stderr


# The image

DIGEST = "sha256:" + "a" * 64
ABOUT = {
    "IMAGE": "ghcr.io/org/publish-action",
    "ARCHITECTURE": "arm64",
    "VERSION": "1.2.3",
    "BASE": "debian:trixie-slim@sha256:" + "b" * 64,
    "REVISION": "c" * 40,
    "EPOCH": "1764100000",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "org/publish-action",
}
DOCKER = """\
#!{python}
import json, os, pathlib, subprocess, sys

arguments = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    print(json.dumps(arguments), file=calls)
if arguments[0] == "image":
    print(os.environ.get("PLATFORM", "linux/arm64"))
elif arguments[:2] == ["buildx", "build"] and "--metadata-file" in arguments:
    digest = os.environ.get("DIGEST", "")
    file = pathlib.Path(arguments[arguments.index("--metadata-file") + 1])
    file.write_text(json.dumps({{"containerimage.digest": digest}}))
elif arguments[0] == "create":
    print("container")
elif arguments[0] == "cp":
    pathlib.Path(arguments[-1]).write_text(os.environ["BILL"])
elif arguments[-1] == "--version":
    print("publish-action " + os.environ.get("OWN_VERSION", "1.2.3"))
elif arguments[0] == "run":
    # The program itself, with the container's environment and the workspace where it is.
    given = [arguments[at + 1] for at, word in enumerate(arguments) if word == "--env"]
    folder = arguments[arguments.index("--volume") + 1].partition(":")[0]
    environ = dict(each.split("=", 1) for each in given)
    environ = {{name: value.replace("/github/workspace", folder) for name, value in environ.items()}}
    if os.environ.get("BROKEN") == "imports":
        environ["PYTHONHOME"], command = "", [{python!r}, "-c", "import sys; sys.path.insert(0, '.'); import json"]
    elif os.environ.get("BROKEN") == "silent":
        command = [{python!r}, "-Ic", "raise SystemExit(2)"]
    elif os.environ.get("BROKEN") == "mute":
        command = [{python!r}, "-Ic", "print('::error::x'); raise SystemExit(2)"]
    else:
        command = [{python!r}, "-I", "-u", "-X", "utf8", "-m", "entrypoint"]
    sys.exit(subprocess.run(command, env=environ, cwd=folder).returncode)
"""


@pytest.fixture
def docker(tmp_path: Path) -> dict[str, str]:
    """Put a stand-in for docker on PATH, which writes down its calls and runs the program itself."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER.format(python=sys.executable), encoding="utf-8")
    (folder / "docker").chmod(0o755)
    return {**ABOUT, "PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}


def calls(environ: dict[str, str]) -> list[list[str]]:
    """Give what docker was asked."""
    return [json.loads(line) for line in Path(environ["CALLS"]).read_text(encoding="utf-8").splitlines()]


def test_the_same_image_is_built_and_pushed(docker: dict[str, str]) -> None:
    """Both builds have the same platform, arguments and labels; only where it goes differs, and no tag is pushed."""
    assert run("image", "build", "/source", **docker).returncode == 0
    pushed = run("image", "push", "/source", **docker, DIGEST=DIGEST)
    assert (pushed.returncode, pushed.stdout) == (0, f"digest={DIGEST}\n")
    first, second = calls(docker)
    where = len(first) - 4  # --load --tag NAME SOURCE
    assert first[where:] == ["--load", "--tag", "ghcr.io/org/publish-action:candidate", "/source"]
    assert second[:where] == first[:where]
    assert {"--provenance=false", "--sbom=false"} < set(first)
    assert "type=image,name=ghcr.io/org/publish-action,push-by-digest=true,name-canonical=true,push=true" in second
    assert "--tag" not in second
    assert f"org.opencontainers.image.base.digest={ABOUT['BASE'].partition('@')[2]}" in first
    assert "org.opencontainers.image.base.name=debian:trixie-slim" in first
    assert first[4:6] == ["--platform", "linux/arm64"]


@pytest.mark.parametrize("digest", ["", "null", "sha256:1", f"{DIGEST}0"])
def test_no_digest(docker: dict[str, str], digest: str) -> None:
    """A push without a digest fails."""
    pushed = run("image", "push", "/source", **docker, DIGEST=digest)
    assert pushed.returncode == 1
    assert "digest=" not in pushed.stdout


BILL = {"spdxVersion": "SPDX-2.3", "packages": [{"name": "publish-action"}, {"name": "httpx"}]}


def test_the_bill_of_materials(docker: dict[str, str], tmp_path: Path) -> None:
    """It is taken out of the image that was built, and nothing is left behind."""
    taken = run("image", "sbom", str(tmp_path / "bill.json"), **docker, BILL=json.dumps(BILL))
    assert taken.returncode == 0, taken.stderr
    assert json.loads((tmp_path / "bill.json").read_text(encoding="utf-8")) == BILL
    assert calls(docker) == [
        ["create", "ghcr.io/org/publish-action:candidate"],
        ["cp", "container:/usr/share/sbom/publish-action.spdx.json", str(tmp_path / "bill.json")],
        ["rm", "container"],
    ]


@pytest.mark.parametrize(
    "bill", ["", "{}", json.dumps({**BILL, "packages": []}), json.dumps({**BILL, "spdxVersion": "1"})]
)
def test_no_bill_of_materials(docker: dict[str, str], tmp_path: Path, bill: str) -> None:
    """An empty one, one of nothing, and one of another format are none."""
    assert run("image", "sbom", str(tmp_path / "bill.json"), **docker, BILL=bill).returncode == 1


@pytest.mark.parametrize("name", sorted(ABOUT))
def test_what_has_to_be_said(docker: dict[str, str], name: str) -> None:
    """Nothing about an image is left to chance: without one of the variables there is no build."""
    del docker[name]
    built = run("image", "build", "/source", **docker)
    assert built.returncode != 0
    assert name in built.stderr
    assert not Path(docker["CALLS"]).exists()


def test_smoke(docker: dict[str, str]) -> None:
    """An image that is for its platform, knows its version, and refuses as it should is right."""
    smoked = run("image", "smoke", **docker)
    assert smoked.returncode == 0, smoked.stdout + smoked.stderr
    assert smoked.stdout.endswith("the image for linux/arm64 works\n")


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({"PLATFORM": "linux/amd64"}, "the image is for linux/amd64"),
        ({"OWN_VERSION": "1.2.30"}, "calls itself"),
        ({"OWN_VERSION": "11.2.3"}, "calls itself"),
        ({"BROKEN": "imports"}, "ended with 1"),
        ({"BROKEN": "silent"}, "did not say what is wrong"),
        ({"BROKEN": "mute"}, "left no output"),
    ],
)
def test_smoke_can_fail(docker: dict[str, str], broken: dict[str, str], expected: str) -> None:
    """Another platform, another version, a module of the workspace, silence, and no outputs are found."""
    smoked = run("image", "smoke", **docker, **broken)
    assert smoked.returncode == 1
    assert f"::error::{expected}" in smoked.stdout or expected in smoked.stdout.splitlines()[-1]


@pytest.mark.image
def test_smoke_of_the_image(image: str) -> None:
    """The image that is built from this tree passes."""
    inspect = ["docker", "image", "inspect", "--format", "{{.Architecture}}", image]
    architecture = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
    name = f"publish-action-smoke-{os.getpid()}"
    engine = {key: value for key, value in os.environ.items() if key.startswith("DOCKER_")}
    subprocess.run(["docker", "tag", image, f"{name}:candidate"], check=True)
    try:
        smoked = run("image", "smoke", IMAGE=name, VERSION=__version__, ARCHITECTURE=architecture, **engine)
        assert smoked.returncode == 0, smoked.stdout + smoked.stderr
    finally:
        subprocess.run(["docker", "rmi", f"{name}:candidate"], check=True, capture_output=True)
