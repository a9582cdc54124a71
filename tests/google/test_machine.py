"""The metadata server of a machine of Google's: asked on self-hosted runners, directly, once, and only last."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from entrypoint.credentials import google
from tests.google.job import SDIST, WHEEL, Job
from tests.line import Run
from tests.peers.process import LOOPBACK
from tests.peers.scripted import Answer
from tests.peers.world.google_cloud import CLOUD_PLATFORM

UPLOADED = {WHEEL: "uploaded", SDIST: "uploaded"}
NOBODY = "No credential for Artifact Registry"


@pytest.fixture
def at(job: Job) -> Iterator[str]:
    """Run a metadata server, and give host and port."""
    with job.google.metadata_server() as at:
        yield at


def run(job: Job, at: str, **more: str) -> Run:
    """Publish on a runner of one's own, with no input but the index."""
    environ = job.world.github.job_without_permission(RUNNER_ENVIRONMENT="self-hosted", GCE_METADATA_HOST=at)
    return job.publish(job.to, env=environ | more)


def only(ours: Run) -> Any:
    """Give the one error of a run that has sent nothing."""
    assert (ours.status, set(ours.states.values())) == (2, {"not-attempted"})
    (error,) = (remark for remark in ours.report["remarks"] if remark["level"] == "error")
    return error


def test_the_account_of_the_machine(job: Job, at: str) -> None:
    """A machine of Google's needs nothing else: one request, with the header that is asked for."""
    ours = run(job, at)

    assert (ours.status, ours.states) == (0, UPLOADED)
    assert job.asked == ["metadata", "read", "upload", "upload"]
    asked = job.world.journal.entries[0]
    assert (asked.path, asked.headers["metadata-flavor"]) == (
        "/computeMetadata/v1/instance/service-accounts/default/token",
        "Google",
    )
    said = "Credential: Google, from the metadata server of this machine, the service account of this machine, good"
    assert said in ours.raw


def test_not_on_a_machine_of_githubs(job: Job, at: str) -> None:
    """Those are Azure's: nobody is asked, whatever the variable says, and the step is shown as it has to be."""
    ours = job.publish(job.to, env=job.world.github.job() | {"GCE_METADATA_HOST": at})

    error = only(ours)
    assert (error["title"], job.asked) == (NOBODY, [])
    assert "google-workload-identity-provider: >-" in error["block"]
    assert "neither GOOGLE_APPLICATION_CREDENTIALS nor GOOGLE_GHA_CREDS_PATH names a file" in error["detail"]


def test_no_proxy_is_asked(job: Job, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy has another machine, or none: the server is asked directly."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert run(job, at, HTTP_PROXY="http://127.0.0.1:9").status == 0


@pytest.mark.parametrize("fault", ["metadata-absent", "metadata-no-flavor", "metadata-slow"])
def test_nobody_there(job: Job, at: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not answer as Google's servers do is none of them, is asked once and gets nothing else."""
    monkeypatch.setattr(google, "METADATA_SECONDS", 0.5)
    job.world.faults.set(fault, True)
    ours = run(job, at)

    error = only(ours)
    assert error["title"] == NOBODY
    assert f"no metadata server of Google's answers at {at} (" in error["detail"]
    assert job.asked == ["metadata"]


@pytest.mark.parametrize("host", ["no such host", "http://x", "[", "127.0.0.1:port"])
def test_a_host_that_is_none(job: Job, host: str) -> None:
    """A variable that cannot be used is shown, and no bug."""
    error = only(run(job, host))

    assert (error["title"], job.asked) == (NOBODY, [])
    assert f"answers at {host} (" in error["detail"]


def test_no_server(job: Job) -> None:
    """A port that nobody listens at is soon known."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        error = only(run(job, f"{LOOPBACK}:{taken.getsockname()[1]}"))

    assert "(ConnectError)" in error["detail"]


def test_a_machine_without_an_account(job: Job, at: str) -> None:
    """A machine may have no account: then one is to be attached."""
    job.google.machine.account = None
    error = only(run(job, at))

    assert error["title"] == "The machine has no service account"
    assert error["detail"] == "The metadata server answered 404."
    assert "Attach a service account with the scope `cloud-platform`" in error["tip"]


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        (True, "status 503, text/plain"),
        (Answer(200, headers=[("Metadata-Flavor", "Google")], body=b"ya29.secret"), "status 200, of no type"),
        (
            Answer(302, headers=[("Metadata-Flavor", "Google"), ("Location", "https://evil.example/")]),
            "status 302, of no type",
        ),
        (
            Answer(
                200,
                headers=[("Metadata-Flavor", "Google"), ("Content-Type", "application/json")],
                body=json.dumps({"access_token": None, "expires_in": 5}).encode(),
            ),
            "status 200, application/json",
        ),
    ],
)
def test_no_token(job: Job, at: str, answer: bool | Answer, shape: str) -> None:
    """Other answers are told by their shape, and not a word of them is shown."""
    job.world.faults.set("metadata-unavailable", answer)
    ours = run(job, at)

    error = only(ours)
    assert (error["title"], job.asked) == ("The metadata server gave no token", ["metadata"])
    assert error["detail"] == f"It was asked for one of the machine's service account: {shape}."
    assert "ya29.secret" not in ours.raw


def test_a_short_token(job: Job, at: str) -> None:
    """The server may give a token that has seconds left: it is used, for it has no other."""
    job.world.faults.set("metadata-short", True)

    assert run(job, at).status == 0
    assert job.asked == ["metadata", "read", "upload", "upload"]


def test_not_allowed(job: Job, at: str) -> None:
    """A 403 may be for want of a role or of a scope: no role helps a machine without it."""
    job.google.machine.scopes = {"https://www.googleapis.com/auth/devstorage.read_only"}
    job.google.repository.writers.clear()
    error = only(run(job, at))

    assert error["title"] == "Artifact Registry does not allow it"
    assert "The registry saw the service account of this machine." in error["detail"]
    assert "its scopes count too: without `cloud-platform` no role helps" in error["tip"]
    assert "--member=serviceAccount:ACCOUNT@PROJECT.iam.gserviceaccount.com\n" in error["block"]


@pytest.mark.parametrize("way", ["password", "key", "file"])
def test_everything_else_goes_before(job: Job, at: str, way: str) -> None:
    """The machine is asked last: not where a password, an input or a file is given."""
    key = job.google.service_account_key()
    token = job.google.cloud.issue("c", [job.google.account.member], [CLOUD_PLATFORM], 3600).token
    inputs = {"password": {"password": token}, "key": {"google-credentials-json": json.dumps(key)}, "file": {}}
    environ = job.world.github.job_without_permission(RUNNER_ENVIRONMENT="self-hosted", GCE_METADATA_HOST=at)
    if way == "file":
        environ |= job.google.auth_action(job.workspace, credentials_json=key)
    ours = job.publish(job.to | inputs[way], env=environ)

    assert ours.status == 0
    assert "metadata" not in job.asked


def test_a_dry_run_does_not_ask(job: Job, at: str) -> None:
    """A dry run fetches no token from a machine either."""
    environ = job.world.github.job_without_permission(RUNNER_ENVIRONMENT="self-hosted", GCE_METADATA_HOST=at)
    ours = job.publish(job.to | {"dry-run": "true"}, env=environ)

    assert (ours.status, job.asked) == (0, [])
