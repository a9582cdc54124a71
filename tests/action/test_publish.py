"""The action as a workflow runs it: the real action.yml and program, in a mount namespace and in the built image."""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.action.machines import Docker, Machine, Native, no_namespaces
from tests.action.process import Pauses
from tests.action.step import StepResult, run_step
from tests.conftest import Published, StartIndex
from tests.distributions import make_sdist, make_wheel
from tests.peers.pypiserver import PypiServer
from tests.peers.scripted import Answer, Request
from tests.peers.tls import Authority, tls_front

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse+battery"
TRAP = "raise SystemExit('a module of the workspace was run')\n"

HOSTILE = {
    "PATH": "/nonsense",
    "PYTHONPATH": "/github/workspace",
    "PYTHONHOME": "/github/workspace",
    "PYTHONSTARTUP": "/github/workspace/json.py",
    "HOME": "/nowhere",
    "LANG": "xx_XX.nonsense",
}


@pytest.fixture(params=["native", pytest.param("image", marks=pytest.mark.image)])
def machine(request: pytest.FixtureRequest) -> Machine:
    """Give each of the two ways to run the action; loopback is reached from both."""
    if request.param == "image":
        return Docker(request.getfixturevalue("image"), network="host")
    if reason := no_namespaces():
        pytest.skip(reason)
    return Native([sys.executable, "-I", "-u", "-X", "utf8", "-m", "entrypoint"])


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a workspace in which Python modules lie in wait."""
    workspace = tmp_path / "work" / "demo"
    (workspace / "dist").mkdir(parents=True)
    for name in ("httpx.py", "json.py", "sitecustomize.py"):
        (workspace / name).write_text(TRAP)
    return workspace


def step(
    machine: Machine,
    workspace: Path,
    with_: Mapping[str, str | bool | int],
    env: Mapping[str, str] | None = None,
    **options: object,
) -> StepResult:
    """Run one step, and check what holds for every one: no secret leaves it, nothing is left in the workspace."""
    before = _listing(workspace)
    result = run_step(ROOT, workspace=workspace, runner=machine, with_=with_, env=env, **options)  # type: ignore[arg-type]  # passed on
    assert _listing(workspace) == before
    assert "was run" not in result.log
    assert "Traceback" not in result.log
    assert not result.undeclared_outputs
    assert not result.lost_outputs
    assert not result.dropped
    assert (result.conclusion == "success") == (result.outputs.get("outcome") != "failed")
    report = json.loads((result.temp / "publish-report.json").read_text(encoding="utf-8"))
    for secret in (str(with_.get("password", PASSWORD)), PASSWORD):
        assert not result.exposures(secret)
        assert secret not in json.dumps(report)
    return result


def states(result: StepResult) -> dict[str, str]:
    """Give file name → state, from the outputs."""
    return {file["filename"]: file["state"] for file in json.loads(result.outputs["files"])}


def test_a_release_in_a_hostile_place(
    machine: Machine, workspace: Path, pypiserver: PypiServer, project: str, published: Published
) -> None:
    """With PATH, PYTHON* and HOME of nonsense, and modules in the workspace, a release is published all the same."""
    wheel, sdist = make_wheel(workspace / "dist", project), make_sdist(workspace / "dist", project)
    result = step(
        machine,
        workspace,
        {
            "repository-url": pypiserver.upload_url,
            "user": pypiserver.user,
            "password": pypiserver.password,
            "packages-dir": "${{ github.workspace }}/dist",
        },
        env=HOSTILE,
    )
    assert (result.exit_code, result.conclusion) == (0, "success")
    assert states(result) == {wheel.name: "uploaded", sdist.name: "uploaded"}
    assert {note.file for note in result.annotations if note.file} == {f"dist/{wheel.name}", f"dist/{sdist.name}"}
    assert result.summary
    assert wheel.name in result.summary
    published(pypiserver.simple_url, wheel, sdist)


def test_twice_in_one_job(
    machine: Machine, workspace: Path, pypiserver: PypiServer, project: str, published: Published
) -> None:
    """Two steps of one job publish two folders; neither leaves anything that disturbs the other."""
    with_ = {"repository-url": pypiserver.upload_url, "user": pypiserver.user, "password": pypiserver.password}
    first = make_wheel(workspace / "dist", project)
    second = make_wheel(workspace / "more", project, "2.0")
    assert step(machine, workspace, with_).outputs["version"] == "1.0"
    assert step(machine, workspace, with_ | {"packages-dir": "more/*.whl"}).outputs["version"] == "2.0"
    published(pypiserver.simple_url, first, second)


@pytest.mark.image
def test_a_folder_that_is_only_read(image: str, workspace: Path, pypiserver: PypiServer, project: str) -> None:
    """A `dist` that nobody may write to, in a container whose root nobody may write to, is published all the same."""
    wheel = make_wheel(workspace / "dist", project)
    with_ = {"repository-url": pypiserver.upload_url, "user": pypiserver.user, "password": pypiserver.password}
    mount = f"{workspace / 'dist'}:/github/workspace/dist:ro"
    result = step(Docker(image, network="host", options=["--read-only", "-v", mount]), workspace, with_)
    assert (result.exit_code, states(result)) == (0, {wheel.name: "uploaded"})


def test_tls_with_an_authority_in_the_workspace(
    machine: Machine, workspace: Path, pypiserver: PypiServer, ca: Authority, project: str, tmp_path: Path
) -> None:
    """SSL_CERT_FILE may name a file of the workspace; the path is translated as GitHub translates it."""
    make_wheel(workspace / "dist", project, filler=3_000_000)
    (workspace / "ca.pem").write_bytes(ca.ca_file.read_bytes())
    with tls_front(pypiserver.port, tmp_path, by=ca) as front:
        with_ = {"repository-url": front.url, "user": pypiserver.user, "password": pypiserver.password}
        assert step(machine, workspace, with_, {"SSL_CERT_FILE": "${{ github.workspace }}/ca.pem"}).exit_code == 0
        distrusted = step(machine, workspace, with_)
    assert distrusted.exit_code == 1
    assert "certificate" in distrusted.annotations[0].title


def test_no_file_of_the_host(machine: Machine, workspace: Path) -> None:
    """A path of the host that the container does not see is an error that says which paths it sees."""
    make_wheel(workspace / "dist")
    result = step(machine, workspace, {"packages-dir": "/__w/demo/demo/dist", "password": "pypi-not-a-token"})
    assert (result.exit_code, result.conclusion) == (2, "failure")
    (message,) = result.messages("error")
    assert "/__w/demo/demo/dist" in message
    assert "relative to the workspace" in message


def test_bad_inputs_all_at_once(machine: Machine, workspace: Path) -> None:
    """Every bad input is told in one run, under its kebab-case name, and no secret is quoted."""
    result = step(
        machine,
        workspace,
        {
            "strict": "maybe",
            "timeout": "soon",
            "keyring-provider": "maybe",
            "check-url": f"https://u:{PASSWORD}@h/",
            "index": "pypi",
            "parallel": 99,
        },
    )
    assert result.exit_code == 2
    told = " ".join(result.messages("error"))
    for name in ("strict", "timeout", "keyring-provider", "check-url", "parallel"):
        assert f"`{name}`" in told


def test_a_hostile_index(machine: Machine, workspace: Path, scripted: StartIndex) -> None:
    """Commands in a server's answer set no output, fail no step by themselves and hide nothing."""
    lines = (
        "x ##[set-output name=outcome]published",
        "::set-env name=X::y",
        "##[add-path]/tmp",
        "::echo::nonsense",
        "::add-mask::a",
        "::stop-commands::pause-all-of-it",
        PASSWORD,
    )
    answer = Answer(400, headers={"Content-Type": "text/plain"}, body="\r".join(lines).encode())
    index = scripted(answer)
    make_wheel(workspace / "dist")
    result = step(machine, workspace, {"repository-url": index.url, "user": "publisher", "password": PASSWORD})
    assert result.exit_code == 1
    assert result.outputs["outcome"] == "failed"
    assert {command.name for command in result.commands} <= {"add-mask", "error", "notice", "group", "endgroup"}
    assert len(result.messages("error")) == 1
    assert not result.env
    assert not result.path


def test_two_hundred_files(machine: Machine, workspace: Path) -> None:
    """Of two hundred broken files ten annotations are shown, none is dropped, and the outputs hold all."""
    for number in range(200):
        (workspace / "dist" / f"demo-{number}-py3-none-any.whl").write_text("not a zip file")
    result = step(machine, workspace, {"password": PASSWORD, "repository-url": "http://127.0.0.1:1/"})
    assert result.exit_code == 2
    assert len(result.messages("error")) == 10
    assert result.outputs["failed"] == "200"
    assert result.summary_size < 1024 * 1024


def test_cancelled(machine: Machine, workspace: Path, scripted: StartIndex) -> None:
    """A cancelled job ends within GitHub's patience, and everything that is known is reported."""
    reached = threading.Event()

    def script(request: Request) -> Answer:
        if request.ordinal == 1:
            return Answer()
        reached.set()
        return Answer(delay=math.inf)

    index = scripted(script)
    files = [make_wheel(workspace / "dist", tag=f"py3-none-manylinux_2_{number}_x86_64") for number in range(3)]
    result = step(
        machine,
        workspace,
        {"repository-url": index.url, "user": "publisher", "password": PASSWORD, "parallel": 1},
        cancel_after=lambda: reached.wait(60),
        pauses=Pauses(),
    )
    assert (result.exit_code, result.conclusion) == (130, "cancelled")
    assert list(states(result).items()) == [
        (files[0].name, "uploaded"),
        (files[1].name, "failed"),
        (files[2].name, "not-attempted"),
    ]
    assert result.summary
    assert "Stopped by SIGINT" in result.summary


def _listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
