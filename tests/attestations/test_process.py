"""Signing in a process of its own: what it imports, prints and leaves behind, and that it hears a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.attestations.job import TRUST, Job
from tests.line import Run, environment, examined
from tests.trusted import remark, right

COMMAND = (sys.executable, "-Im", "entrypoint")

IMPORTED = """\
import os, sys
from entrypoint.__main__ import run
from entrypoint.runner import Runner

status = run(os.environ, Runner(os.environ, sys.stdout))
print([name for name in ("sigstore", "pypi_attestations", "tuf", "requests", "rekor_types") if name in sys.modules],
      file=sys.stderr)
sys.exit(status)
"""


def started(
    job: Job, inputs: Mapping[str, str], *command: str, env: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], dict[str, str], Path]:
    """Start the program in the world, without a home that could be written to."""
    temp = job.workspace.parent / "temp"
    temp.mkdir()
    (temp / "tmp").mkdir()
    job.workspace.mkdir(exist_ok=True)
    (job.workspace / TRUST).write_text(job.world.sigstore.trust_config(), encoding="utf-8")
    nowhere = {"HOME": "/dev/null/home", "TMPDIR": str(temp / "tmp")}
    environ = environment(job.workspace, temp, inputs) | job.world.environ | dict(env) | nowhere
    pipe = subprocess.PIPE
    process = subprocess.Popen(command or COMMAND, env=environ, cwd=job.workspace, stdout=pipe, stderr=pipe)
    return process, environ, temp


def ended(
    job: Job, process: subprocess.Popen[bytes], environ: Mapping[str, str], temp: Path, seconds: float = 60
) -> tuple[Run, str]:
    """Wait for it and look at it; give the run, and what it wrote to standard error. It leaves nothing behind."""
    out, err = process.communicate(timeout=seconds)
    ours = examined(process.returncode, out.decode(), temp, environ, job.world.journal.secrets)
    right(job.world)
    assert list((temp / "tmp").iterdir()) == []
    assert {path.name for path in job.workspace.iterdir()} == {"dist", TRUST}
    return ours, err.decode()


def test_a_home_that_cannot_be_written_to(job: Job) -> None:
    """No home and no cache are needed to sign, proxy and authorities are those of the environment, and nobody but us
    prints anything.
    """
    names = job.release()
    process, environ, temp = started(job, {"sigstore-trust-config": TRUST}, env=job.world.github.job())
    ours, err = ended(job, process, environ, temp)
    assert (ours.status, ours.states, err) == (0, dict.fromkeys(names, "uploaded"), ""), ours.raw
    assert job.attested == names
    assert sorted(path.name for path in job.dist.iterdir()) == sorted(names)


def test_the_public_instance_without_its_repository(job: Job) -> None:
    """Where the public instance cannot be asked whom to trust, the copy that came along decides: here it trusts nobody
    who is there, and nothing is sent.
    """
    job.wheels(1)
    inputs = {"attestations": "required", "retries": "0"}
    process, environ, temp = started(job, inputs, env=job.world.github.job())
    ours, err = ended(job, process, environ, temp)
    assert (ours.status, ours.titles, err) == (2, ["Signing failed"], ""), ours.raw
    assert "tuf-repo-cdn.sigstore.dev" in {entry.host for entry in job.world.journal.entries}
    assert "fulcio.sigstore.dev" in {entry.host for entry in job.world.journal.entries}
    assert not job.world.pypi.minted


def test_nothing_is_imported_that_is_not_used(job: Job) -> None:
    """Who does not sign does not pay for what signs."""
    names = job.wheels(1)
    inputs = {"password": job.world.pypi.api_token(), "sigstore-trust-config": TRUST}
    process, environ, temp = started(job, inputs, sys.executable, "-c", IMPORTED, env=job.world.github.job())
    ours, err = ended(job, process, environ, temp)
    assert (ours.status, ours.states) == (0, {names[0]: "uploaded"}), ours.raw
    assert err == "[]\n"
    assert remark(ours, "No attestations: this is no trusted publisher")


def test_stopped_while_signing(job: Job) -> None:
    """A signal is heard while the log is silent: nothing was sent, and no token of the index is left alive."""
    names = job.wheels(2)
    job.world.faults.set("rekor-slow", True)
    process, environ, temp = started(job, {"sigstore-trust-config": TRUST}, env=job.world.github.job())
    _until(lambda: job.world.faults.fired["rekor-slow"] == 2)
    process.send_signal(signal.SIGTERM)
    ours, err = ended(job, process, environ, temp, seconds=9)
    assert (ours.status, ours.states, err) == (143, dict.fromkeys(names, "not-attempted"), "")
    assert not job.world.pypi.minted
    assert ours.report["stopped_by"] == "SIGTERM"


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)
