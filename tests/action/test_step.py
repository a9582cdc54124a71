"""One step from end to end, run in a mount namespace: the harness itself, with small programs as the action."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.action.console import Annotation
from tests.action.job import Job
from tests.action.machines import Docker, Native, no_namespaces
from tests.action.process import Pauses
from tests.action.step import StepResult, run_step

needs_namespaces = pytest.mark.skipif(no_namespaces() is not None, reason=str(no_namespaces()))

ACTION = """
name: sample
inputs:
  packages-dir: {default: dist}
  old_name: {deprecationMessage: use packages-dir}
  repository: {default: '${{ github.repository }}'}
  flag: {default: true}
  with space: {default: x}
outputs:
  url: {description: declared}
runs:
  using: docker
  image: Dockerfile
  env: {OWN: '1', HOME: /nowhere}
"""

Run = Callable[..., StepResult]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Give an empty workspace with room for the job's temporary folder beside it."""
    folder = tmp_path / "work" / "sample"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run(tmp_path: Path, workspace: Path) -> Run:
    """Give a function that runs Python source as the action."""
    (tmp_path / "action.yml").write_text(ACTION)

    def run_source(source: str, **arguments: Any) -> StepResult:
        program = "import os, sys, json, time, signal, pathlib\n" + dedent(source)
        native = Native([sys.executable, "-I", "-u", "-X", "utf8", "-c", program])
        return run_step(tmp_path, workspace=workspace, runner=native, **arguments)

    return run_source


def seen(result: StepResult) -> Any:
    """Give the JSON that the program printed."""
    return json.loads(result.raw_log[-1])


@needs_namespaces
class TestStep:
    """A program sees what a container of GitHub's sees."""

    def test_inputs(self, run: Run) -> None:
        """Declared inputs always exist, in upper case with their hyphens; unknown ones are passed with a warning."""
        result = run(
            "print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('INPUT_')}))",
            with_={"Packages-Dir": "${{ github.workspace }}/out", "old_name": "o", "extra": 1, "flag": False},
        )
        assert seen(result) == {
            "INPUT_PACKAGES-DIR": "/github/workspace/out",
            "INPUT_OLD_NAME": "o",
            "INPUT_EXTRA": "1",
            "INPUT_FLAG": "false",
            "INPUT_REPOSITORY": "octo-org/sample",
            "INPUT_WITH_SPACE": "x",
        }
        assert result.messages("warning") == [
            "Input 'old_name' has been deprecated with message: use packages-dir",
            (
                "Unexpected input(s) 'extra', valid inputs are "
                "['entryPoint', 'args', 'packages-dir', 'old_name', 'repository', 'flag', 'with space']"
            ),
        ]
        assert result.conclusion == "success"

    def test_environment(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """The workflow's variables come first, GitHub's win, and nothing of the caller's gets in."""
        monkeypatch.setenv("OF_THE_CALLER", "1")
        result = run(
            "print(json.dumps(dict(os.environ)))",
            env={
                "PATH": "/nonsense",
                "OWN": "2",
                "HOME": "/root",
                "GITHUB_REPOSITORY": "x/y",
                "CI": "no",
                "A": "${{ secrets.S }}",
            },
            secrets={"S": "secret-value"},
            state={"phase": "1"},
            github={"repository": "octo-org/other"},
            debug=True,
        )
        environ = seen(result)
        assert "OF_THE_CALLER" not in environ
        # CPython's own: PEP 538 sets LC_CTYPE where the environment names no locale.
        assert set(environ) - {"LC_CTYPE"} == set(result.environ)
        assert (
            environ.items()
            >= {
                "PATH": "/nonsense",
                "OWN": "2",
                "HOME": "/github/home",
                "GITHUB_REPOSITORY": "octo-org/other",
                "GITHUB_ACTIONS": "true",
                "GITHUB_WORKSPACE": "/github/workspace",
                "GITHUB_EVENT_PATH": "/github/workflow/event.json",
                "RUNNER_TEMP": "/github/runner_temp",
                "RUNNER_DEBUG": "1",
                "CI": "no",
                "STATE_phase": "1",
                "A": "secret-value",
            }.items()
        )
        assert environ["GITHUB_OUTPUT"].startswith("/github/file_commands/set_output_")
        assert "GITHUB_TOKEN" not in environ
        assert "ACTIONS_ID_TOKEN_REQUEST_URL" not in environ
        assert result.exposures("secret-value") == [json.dumps(environ)]
        assert "secret-value" not in result.log

    def test_id_token(self, run: Run) -> None:
        """The request for an ID token is there with `id-token: write` only, with the job's own token, masked."""
        result = run("print(os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN'])", id_token_url="http://127.0.0.1:1/?a=b")
        assert result.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] == "http://127.0.0.1:1/?a=b"
        assert result.raw_log == [result.environ["ACTIONS_RUNTIME_TOKEN"]]
        assert result.log == "***"

    def test_folders(self, run: Run, workspace: Path) -> None:
        """The command runs in the workspace, with the event, a home and a temporary folder; they outlive it."""
        result = run(
            """
            pathlib.Path("made").touch()
            pathlib.Path(os.environ["HOME"], ".netrc").touch()
            pathlib.Path(os.environ["RUNNER_TEMP"], "report").touch()
            event = json.load(open(os.environ["GITHUB_EVENT_PATH"]))
            print(json.dumps([os.getcwd(), event, sorted(os.listdir("/github")), sys.stdin.read()]))
            """,
            event={"action": "published"},
        )
        folders = ["file_commands", "home", "runner_temp", "workflow", "workspace"]
        assert seen(result) == ["/github/workspace", {"action": "published"}, folders, ""]
        assert (workspace / "made").exists()
        assert (result.temp / "report").exists()
        again = run("print(json.dumps(os.listdir(os.environ['HOME'])))")
        assert seen(again) == [".netrc"]
        assert not Path("/github/home").exists()

    def test_file_commands(self, run: Run) -> None:
        """Files are read after the step, also of one that failed; they win over `set-output`."""
        result = run(
            """
            def put(name, text):
                with open(os.environ[name], "a") as file:
                    file.write(text)
            print("::set-output name=url::old")
            put("GITHUB_OUTPUT", "url=first\\nURL<<E\\nnew\\nline\\nE\\nother=1\\n")
            put("GITHUB_STATE", "s=1\\n")
            put("GITHUB_ENV", "A=1\\nnode_options=2\\n")
            put("GITHUB_PATH", "/a\\n\\n/b\\r\\n/a\\n")
            put("GITHUB_STEP_SUMMARY", "# t\\r\\nruntime-token-of-this-job\\n")
            sys.exit(3)
            """
        )
        assert (result.exit_code, result.conclusion) == (3, "failure")
        assert result.outputs == {"URL": "new\nline", "other": "1"}
        assert result.undeclared_outputs == {"other"}
        assert result.state == {"s": "1"}
        assert result.env == {"A": "1"}
        assert result.path == ["/b", "/a"]
        assert result.summary == "# t\n***\n"
        assert result.messages("error") == ["Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command."]

    def test_a_file_that_cannot_be_read(self, run: Run) -> None:
        """A step that exits 0 fails for a bad line; what stands before it is kept, and other files are read."""
        result = run(
            """
            open(os.environ["GITHUB_STATE"], "w").write("a=1\\nbad\\nb=2")
            open(os.environ["GITHUB_OUTPUT"], "w").write("url=u")
            """
        )
        assert (result.exit_code, result.conclusion) == (0, "failure")
        assert (result.state, result.outputs) == ({"a": "1"}, {"url": "u"})
        assert result.messages("error") == [
            "Unable to process file command 'state' successfully.",
            "Invalid format 'bad'",
        ]

    def test_a_summary_that_is_too_long(self, run: Run) -> None:
        """Past 1 MiB nothing is uploaded; an error says so, and the step does not fail."""
        source = "open(os.environ['GITHUB_STEP_SUMMARY'], 'w').write('x' * {size})"
        at_the_limit, past_it = (run(source.format(size=size)) for size in (1 << 20, (1 << 20) + 1))
        assert at_the_limit.summary == "x" * (1 << 20) + "\n"
        assert (past_it.summary, past_it.summary_size) == (None, (1 << 20) + 1)
        assert past_it.conclusion == "success"
        assert len(past_it.messages("error")) == 1

    def test_masked_outputs_are_lost(self, run: Run) -> None:
        """An output that holds a mask keeps its value for the job's steps and is empty as an output of the job."""
        result = run(
            """
            print("::add-mask::hunter22")
            open(os.environ["GITHUB_OUTPUT"], "w").write("url=https://hunter22/\\nother=x")
            """
        )
        assert result.lost_outputs == {"url"}
        assert result.exposures("hunter22") == ["https://hunter22/"]

    def test_both_streams(self, run: Run) -> None:
        """Commands count on either stream; waiting lines of stderr come before those of stdout."""
        result = run(
            """
            os.write(1, b"::notice::out\\n" * 3)
            os.write(2, b"::warning::err\\rplain\\r\\n")
            """
        )
        assert sorted(result.raw_log) == ["::notice::out"] * 3 + ["::warning::err", "plain"]
        assert result.messages("warning") == ["err"]
        assert len(result.messages("notice")) == 3

    def test_a_bad_command_fails_the_step(self, run: Run) -> None:
        """A hostile line fails a step that exits 0; a token that is none ends it."""
        failed = run("print('x\\r::set-env name=a::b\\nafter')")
        assert (failed.exit_code, failed.conclusion) == (0, "failure")
        assert failed.log.endswith("after")
        ended = run("print('::stop-commands::', flush=True); time.sleep(60)")
        assert (ended.exit_code, ended.conclusion) == (None, "failure")
        assert ended.seconds < 10

    def test_an_annotation_in_the_workspace(self, run: Run) -> None:
        """The container's path of a file becomes one of the repository."""
        result = run("print('::error file=/github/workspace/dist/a.whl,title=t::m')")
        assert result.annotations == [Annotation("error", "m", title="t", file="dist/a.whl")]

    @pytest.mark.parametrize(
        ("handler", "signals"),
        [
            ("sys.exit(130) if number == signal.SIGINT else None", ["SIGINT"]),
            ("sys.exit(143) if number == signal.SIGTERM else None", ["SIGINT", "SIGTERM"]),
            ("None", ["SIGINT", "SIGTERM"]),
        ],
    )
    def test_cancelling(self, run: Run, workspace: Path, handler: str, signals: list[str]) -> None:
        """A cancelled step gets SIGINT, after a pause SIGTERM, and after another one it is killed."""

        def ready() -> None:
            while not (workspace / "ready").exists():
                time.sleep(0.01)

        result = run(
            f"""
            def handle(number, frame):
                print(signal.Signals(number).name, flush=True)
                {handler}
            signal.signal(signal.SIGINT, handle)
            signal.signal(signal.SIGTERM, handle)
            pathlib.Path("ready").touch()
            while True:
                time.sleep(0.01)
            """,
            cancel_after=ready,
            pauses=Pauses(interrupt=1, terminate=1),
        )
        assert result.raw_log == signals
        assert result.conclusion == "cancelled"
        assert result.exit_code == (-9 if handler == "None" else 130 if len(signals) == 1 else 143)

    def test_a_timeout_fails(self, run: Run) -> None:
        """A step whose time is up gets the same signals and fails, with a message of the runner's."""
        result = run("time.sleep(60)", timeout=0.5, pauses=Pauses(0.5, 0.5))
        assert result.conclusion == "failure"
        assert len(result.messages("error")) == 1

    def test_a_value_that_is_too_long(self, run: Run) -> None:
        """One value of more than 128 KiB keeps the container from starting: an error, not an exception."""
        assert run("pass", env={"LONG": "x" * 131_000}).conclusion == "success"
        result = run("pass", env={"LONG": "x" * 131_072})
        assert (result.exit_code, result.conclusion) == (None, "failure")
        assert len(result.messages("error")) == 1


@pytest.mark.parametrize(
    ("host", "container"),
    [
        ("/w/r/r", "/github/workspace"),
        ("/w/r/r/dist", "/github/workspace/dist"),
        ("/w/r/r2", "/w/r/r2"),
        ("/W/r/r", "/W/r/r"),
        ("dist", "dist"),
        ("file:///w/r/r", "file:///w/r/r"),
        ("a\n/w/r/r/b", "a\n/w/r/r/b"),
        ("/w/r/r/a\n/w/r/r/b", "/github/workspace/a\n/w/r/r/b"),
        ("/w/r/_temp", "/github/runner_temp"),
        ("/w/r/_temp/x", "/github/runner_temp/x"),
        ("/w/r/_temp/_github_home/x", "/github/home/x"),
        ("/w/r/_temp/_github_home2", "/github/runner_temp/_github_home2"),
        ("/w/r/_temp/_github_workflow", "/github/workflow"),
        ("/__w/r/r/dist", "/__w/r/r/dist"),
    ],
)
def test_paths_are_translated(host: str, container: str) -> None:
    """A value that is a mounted folder, or begins with one and a slash, is translated; nothing inside a value is."""
    assert Job(Path("/w/r/r")).to_container(host) == container


def test_paths_are_translated_back() -> None:
    """The way back is the same."""
    job = Job(Path("/w/r/r"))
    assert job.to_host("/github/workspace/dist") == "/w/r/r/dist"
    assert job.to_host("/github/home") == "/w/r/_temp/_github_home"
    assert job.to_host("/github/runner_temp/x") == "/w/r/_temp/x"
    assert job.to_host("/github") == "/github"


def test_the_command_line_of_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are in the client's environment and never on its command line; options stand before the image."""
    docker = tmp_path / "docker"
    docker.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///socket")
    machine = Docker("image", network="host", options=["--read-only"])
    launch = machine.launch({"INPUT_PASSWORD": "hunter2"}, {"/w": "/github/workspace"}, "/x")
    name = launch.command[3]
    assert launch.command == [
        str(docker), "run", "--name", name, "--workdir", "/github/workspace", "--rm", "-e", "INPUT_PASSWORD",
        "--entrypoint", "/x", "--network", "host", "-v", "/w:/github/workspace", "--read-only", "image",
    ]  # fmt: skip
    assert launch.environ["INPUT_PASSWORD"] == "hunter2"
    assert launch.environ["DOCKER_HOST"] == "unix:///socket"
    assert not {name for name in launch.environ if name in os.environ} - {"DOCKER_HOST"}
    assert launch.cleanup == [str(docker), "rm", "--force", name]
