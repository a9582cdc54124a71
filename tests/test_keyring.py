"""The keyring: a password from the machine's own store, through the program `keyring`, where nothing else applies."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from entrypoint.credentials.keyring import keyring
from entrypoint.errors import CredentialError
from tests.conftest import StartIndex
from tests.contexts import context
from tests.distributions import make_wheel
from tests.google.job import Job
from tests.line import Run, bare, environment, publish
from tests.peers.scripted import ScriptedIndex
from tests.peers.world import running_world
from tests.peers.world.google_cloud import CLOUD_PLATFORM

SECRET = "a secret that is kept"

PROGRAM = """\
#!{python} -I
import json, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
entries = json.loads((here / "entries.json").read_text())
password = entries.get(" ".join(sys.argv[2:]))
if password is None:
    sys.exit(1)
sys.stdout.buffer.write(password.encode() + b"\\n")
"""


class Keyring:
    """A program `keyring` in a folder of its own, which does what the real one does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.replace(PROGRAM.format(python=sys.executable))
        self.have({})

    @property
    def environ(self) -> dict[str, str]:
        """A PATH with nothing else in it."""
        return {"PATH": str(self.folder)}

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def have(self, entries: Mapping[tuple[str, str], str]) -> None:
        """Let it have these entries: service and user → password."""
        text = json.dumps({" ".join(key): password for key, password in entries.items()})
        (self.folder / "entries.json").write_text(text)

    def replace(self, text: str) -> None:
        """Let it be another program."""
        path = self.folder / "keyring"
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def program(tmp_path: Path) -> Keyring:
    """Make the program."""
    return Keyring(tmp_path / "bin")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a workspace with a wheel."""
    make_wheel(tmp_path / "w" / "dist")
    return tmp_path / "w"


def run(workspace: Path, index: ScriptedIndex, program: Keyring, **inputs: str) -> Run:
    """Publish with what the keyring has."""
    inputs = {"repository-url": index.url, "keyring-provider": "subprocess", "user": "bob"} | inputs
    return publish(workspace, inputs, env=program.environ, secrets=[SECRET])


def only(ours: Run) -> Any:
    """Give the one error of a run that has sent nothing."""
    assert (ours.status, set(ours.states.values())) == (2, {"not-attempted"})
    (error,) = (remark for remark in ours.report["remarks"] if remark["level"] == "error")
    return error


def host(index: ScriptedIndex) -> str:
    """Give the host of an index, with its port."""
    return f"127.0.0.1:{index.port}"


def test_by_url(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """The entry for the upload URL is used: asked for once, masked before it is used, and never shown."""
    index = scripted()
    program.have({(index.url, "bob"): SECRET, (host(index), "bob"): "that of the host"})
    ours = run(workspace, index, program)

    assert (ours.status, [request.basic for request in index.uploads]) == (0, [("bob", SECRET)])
    assert program.calls == [["get", index.url, "bob"]]
    assert f"Credential: the keyring's entry for {index.url}, as user 'bob'." in ours.raw
    assert ours.raw.index(f"::add-mask::{SECRET}\n") < ours.raw.index("POST http")


def test_by_host(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """Where there is none for the URL, the one for its host is used, as uv does it."""
    index = scripted()
    program.have({(host(index), "bob"): SECRET})
    ours = run(workspace, index, program)

    assert (ours.status, index.uploads[0].basic) == (0, ("bob", SECRET))
    assert program.calls == [["get", index.url, "bob"], ["get", host(index), "bob"]]
    assert f"the keyring's entry for {host(index)}, as user 'bob'" in ours.raw


def test_the_usual_port_is_not_named(program: Keyring) -> None:
    """The host of an https URL has no port; what is found is masked at once, not with its first use."""
    masked: list[str] = []
    program.have({("index.example", "bob"): SECRET})
    inputs = {"keyring-provider": "subprocess", "user": "bob"}
    found = keyring(context("https://index.example/upload/", inputs, program.environ, mask=masked.append))

    assert found is not None
    assert masked == [SECRET]
    assert program.calls == [["get", "https://index.example/upload/", "bob"], ["get", "index.example", "bob"]]


def test_a_user_in_the_url(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """The user may stand in the URL; the keyring is asked for the URL without."""
    index = scripted()
    program.have({(index.url, "carol"): SECRET})
    ours = run(workspace, index, program, **{"repository-url": index.url.replace("://", "://carol@"), "user": ""})

    assert (ours.status, index.uploads[0].basic) == (0, ("carol", SECRET))


def test_the_usual_user(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """Without `user` it is the index's own."""
    index = scripted()
    program.have({(index.url, "__token__"): SECRET})
    ours = run(workspace, index, program, user="")

    assert (ours.status, index.uploads[0].basic) == (0, ("__token__", SECRET))


def test_no_usual_user(program: Keyring) -> None:
    """An index that knows its users by name has no usual one: `user` has to be given."""
    inputs = {"keyring-provider": "subprocess"}
    with pytest.raises(CredentialError) as caught:
        keyring(context("https://h.example/repository/r/", inputs, program.environ))

    assert caught.value.title == "The keyring needs a user name"
    assert caught.value.tip.startswith("Give `user`")
    assert program.calls == []


@pytest.mark.parametrize(
    "password", ["with  blanks ", " leads", "ünïcödé 密码 🔑", "a:b", "tab\tin it", "%0A::error::"]
)
def test_any_password(workspace: Path, scripted: StartIndex, program: Keyring, password: str) -> None:
    """One line end belongs to the program; everything else is the password, in UTF-8."""
    index = scripted()
    program.have({(index.url, "bob"): password})
    ours = run(workspace, index, program)

    assert (ours.status, index.uploads[0].basic) == (0, ("bob", password))
    shown = "\n".join(line for line in ours.raw.splitlines() if not line.startswith("::add-mask::"))
    assert password.strip() not in shown


def test_no_entry(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """Where it has none both questions are told, with the command that adds one, ready to be pasted."""
    index = scripted()
    error = only(run(workspace, index, program, user="bob smith"))

    assert error["title"] == "The keyring has no such entry"
    assert error["detail"] == f"It was asked for user 'bob smith' at {index.url} and at {host(index)}."
    assert error["tip"] == f"Add it: `keyring set {index.url} 'bob smith'`."
    assert [shlex.split(shlex.join(call)) for call in program.calls] == program.calls
    assert index.uploads == []


def test_an_empty_entry(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """An empty password is none."""
    index = scripted()
    program.have({(index.url, "bob"): ""})

    assert only(run(workspace, index, program))["title"] == "The keyring has no such entry"


def test_a_program_that_fails(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """The last line of what it complains of is told; what it printed is not taken for a password."""
    script = f"#!/bin/sh\necho '{SECRET}'\necho 'Traceback: a, b' >&2\necho 'No recommended backend' >&2\nexit 1\n"
    program.replace(script)
    error = only(run(workspace, scripted(), program))

    assert error["title"] == "The keyring has no such entry"
    assert error["detail"].endswith(", and said: No recommended backend")


def test_what_it_says_is_no_command(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """Its words cannot act on the log, and are not without end."""
    program.replace('#!/bin/sh\nprintf "::error::x\\r##[error]%01000d" 1 >&2\nexit 1\n')
    ours = run(workspace, scripted(), program)

    assert len(only(ours)["detail"]) < 600


@pytest.mark.parametrize("text", ["#!/nowhere/python\n", "", "\x7fELF"])
def test_a_program_that_cannot_be_run(workspace: Path, scripted: StartIndex, program: Keyring, text: str) -> None:
    """A program without an interpreter, or that is none, is told as that."""
    program.replace(text)
    error = only(run(workspace, scripted(), program))

    assert error["title"] == "The keyring does not answer"
    assert f"{program.folder}/keyring could not be run: " in error["detail"]


def test_a_program_that_waits(program: Keyring) -> None:
    """A keyring that waits for somebody is given up, once and not for each question."""
    program.replace(f"#!{sys.executable}\nimport pathlib, time\n{WAITS}")
    start = time.monotonic()
    with pytest.raises(CredentialError) as caught:
        keyring(context("https://index.example/", {"keyring-provider": "subprocess"}, program.environ), seconds=1.0)

    assert caught.value.title == "The keyring does not answer"
    assert "took over 1 seconds" in caught.value.detail
    assert "`keyring get https://index.example/ __token__` has to answer by itself" in caught.value.tip
    assert time.monotonic() - start < 30
    assert len((program.folder / "calls").read_text()) <= 1


WAITS = 'pathlib.Path(__file__).with_name("calls").open("a").write(".")\ntime.sleep(60)\n'


@pytest.mark.parametrize("path", ["", "/nowhere"])
def test_no_program(workspace: Path, scripted: StartIndex, path: str) -> None:
    """Where there is none, as in the action's container, that is said."""
    inputs = {"repository-url": scripted().url, "keyring-provider": "subprocess", "user": "bob"}
    error = only(publish(workspace, inputs, env={"PATH": path}))

    assert error["title"] == "There is no keyring program"
    assert "The action's container has none." in error["detail"]


def test_a_file_that_is_no_program(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """A file that may not be executed is no program."""
    (program.folder / "keyring").chmod(0o644)

    assert only(run(workspace, scripted(), program))["title"] == "There is no keyring program"


def test_not_unless_asked_for(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """Without `keyring-provider` nobody runs it."""
    index = scripted()
    program.have({(index.url, "__token__"): SECRET})
    ours = publish(workspace, {"repository-url": index.url}, env=program.environ)

    assert ours.status == 2
    assert program.calls == []


def test_a_dry_run_reads_with_it(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """A dry run asks the keyring, which is at hand, and sends nothing."""
    index = scripted()
    program.have({(index.url, "bob"): SECRET})
    ours = run(workspace, index, program, **{"dry-run": "true"})

    assert (ours.status, index.uploads) == (0, [])
    assert len(program.calls) == 1


class TestOrder:
    """Who goes before it."""

    def test_a_password(self, workspace: Path, scripted: StartIndex, program: Keyring) -> None:
        """A password does."""
        index = scripted()
        ours = run(workspace, index, program, password="the given one")

        assert (ours.status, program.calls) == (0, [])
        assert index.uploads[0].basic == ("bob", "the given one")

    def test_trusted_publishing(self, tmp_path: Path, program: Keyring) -> None:
        """So does trusted publishing, where the job can have an ID token."""
        with running_world(tmp_path / "world") as world:
            world.pypi.trust(world.github, "demo")
            job = Job(world, tmp_path / "w")
            ours = job.publish({"keyring-provider": "subprocess"}, env=world.github.job() | program.environ)

        assert (ours.status, program.calls) == (0, [])
        assert len(world.pypi.minted) == 1

    @pytest.mark.parametrize("more", [{}, {"trusted-publishing": "never"}])
    def test_not_where_it_does_not_apply(self, tmp_path: Path, program: Keyring, more: dict[str, str]) -> None:
        """Where the job can have none, or does not want to, the keyring's token of PyPI is used."""
        with running_world(tmp_path / "world") as world:
            env = world.github.job() if more else world.github.job_without_permission()
            program.have({("https://upload.pypi.org/legacy/", "__token__"): "pypi-" + SECRET.replace(" ", "")})
            job = Job(world, tmp_path / "w")
            ours = job.publish({"keyring-provider": "subprocess", "retries": "0"} | more, env=env | program.environ)

        assert program.calls == [["get", "https://upload.pypi.org/legacy/", "__token__"]]
        assert ours.titles == ["The index does not take the credential"]  # which PyPI has not made
        assert world.pypi.minted == []

    @pytest.mark.parametrize("way", ["input", "file"])
    def test_google(self, tmp_path: Path, program: Keyring, way: str) -> None:
        """So do Google's inputs and files."""
        with running_world(tmp_path / "world") as world:
            job = Job(world, tmp_path / "w")
            env = world.github.job() | program.environ
            inputs = job.keyless if way == "input" else job.to
            if way == "file":
                env |= world.google.auth_action(job.workspace)
            ours = job.publish(inputs | {"keyring-provider": "subprocess"}, env=env)

        assert (ours.status, program.calls, job.asked[0]) == (0, [], "github")

    @pytest.mark.parametrize("runner", ["github-hosted", "self-hosted"])
    def test_not_without_either(self, tmp_path: Path, program: Keyring, runner: str) -> None:
        """Without these an access token of the keyring is used, and no machine is asked for one."""
        with running_world(tmp_path / "world") as world, world.google.metadata_server() as at:
            job = Job(world, tmp_path / "w")
            token = world.google.cloud.issue("c", [world.google.account.member], [CLOUD_PLATFORM], 3600).token
            program.have({(world.google.repository.url, "oauth2accesstoken"): token})
            env = world.github.job_without_permission(RUNNER_ENVIRONMENT=runner, GCE_METADATA_HOST=at)
            ours = job.publish(job.to | {"keyring-provider": "subprocess"}, env=env | program.environ)

        assert (ours.status, job.asked) == (0, ["read", "upload", "upload"])
        assert "the keyring's entry for https://us-central1-python.pkg.dev/octo-project/python/" in ours.raw


def test_at_a_terminal(workspace: Path, scripted: StartIndex, program: Keyring) -> None:
    """Outside of GitHub's jobs nothing is printed that looks like a mask."""
    index = scripted()
    program.have({(index.url, "bob"): SECRET})
    inputs = {"repository-url": index.url, "keyring-provider": "subprocess", "user": "bob"}
    environ = environment(workspace, workspace.parent, inputs) | program.environ | {"GITHUB_ACTIONS": ""}
    status, printed = bare(environ)

    assert status == 0
    assert SECRET not in printed
    assert "::" not in printed.replace(os.linesep, "")
