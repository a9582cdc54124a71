"""The clients that are compared: where they are installed, and how each is told to publish files."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.served import Served

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "bench"
RIVALS = ("twine==7.0.0", "uv==0.13.9")
"""What we compare with, from PyPI."""
USER, PASSWORD = "me", "secret"
PATIENCE = 120
"""Seconds after which a client that has not ended counts as broken."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a client is to do."""

    folder: Path
    """Holds `dist`."""
    served: Served
    parallel: int

    @property
    def files(self) -> list[str]:
        """The files to publish."""
        return sorted(str(path) for path in (self.folder / "dist").iterdir())


@dataclass(frozen=True, slots=True)
class Client:
    """One client, and the command and variables with which it does a job."""

    name: str
    command: Callable[[Job], Sequence[str]]
    environ: Callable[[Job], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took."""

    seconds: float
    """From start to end of the process."""
    cpu: float
    """Seconds of user and system time."""
    peak: int
    """Bytes resident at most."""


def ours(python: str) -> Client:
    """Give this program, run as the action runs it, by an interpreter whose environment has it."""

    def environ(job: Job) -> Mapping[str, str]:
        inputs = {
            "repository-url": job.served.upload_url,
            "check-url": job.served.simple_url,
            "user": USER,
            "password": PASSWORD,
            "parallel": str(job.parallel),
        }
        given = {f"INPUT_{name.upper()}": text for name, text in inputs.items()}
        return {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(job.folder), **given}

    return Client("publish-action", lambda _: [python, "-Im", "entrypoint"], environ)


def twine(folder: Path) -> Client:
    """Give twine from a folder with programs."""
    options = ["--non-interactive", "--disable-progress-bar", "--username", USER, "--password", PASSWORD]
    return Client(
        "twine",
        lambda job: [str(folder / "twine"), "upload", *options, "--repository-url", job.served.upload_url, *job.files],
        lambda job: {"REQUESTS_CA_BUNDLE": job.served.authority} if job.served.authority else {},
    )


def uv(folder: Path, *, check: bool) -> Client:
    """Give uv from a folder with programs; without `check` it does not look at the index."""
    options = ["--no-config", "--trusted-publishing", "never", "--username", USER, "--password", PASSWORD]

    def command(job: Job) -> Sequence[str]:
        checked = ["--check-url", job.served.simple_url] if check else []
        urls = ["--publish-url", job.served.upload_url, *checked]
        return [str(folder / "uv"), "publish", *options, *urls, *job.files]

    return Client("uv --check-url" if check else "uv", command, lambda _: {"UV_CACHE_DIR": str(CACHE / "uv")})


def run(client: Client, job: Job) -> Taken:
    """Let a client do a job in a new process. Raises `RuntimeError` when it fails."""
    home = CACHE / "home"
    home.mkdir(parents=True, exist_ok=True)
    environ = {"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8", **client.environ(job)}
    if job.served.authority:
        environ["SSL_CERT_FILE"] = job.served.authority
    launcher = [sys.executable, "-IS", str(Path(__file__).with_name("measure.py")), *client.command(job)]
    done = subprocess.run(
        launcher,
        env=environ,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
    )
    said, _, last = done.stdout.decode(errors="replace").rstrip().rpartition("\n")
    taken = json.loads(last)
    if taken["status"] != 0:
        raise RuntimeError(f"{client.name} ended with {taken['status']}:\n{said[-2000:]}")
    return Taken(taken["seconds"], taken["cpu"], taken["peak"])


def install_ours() -> str:
    """Install this program with its locked requirements, and nothing else; give the interpreter."""
    lock = ROOT / "requirements.txt"
    python = _environment(
        "ours", ["--require-hashes", "--no-deps", "--requirement", str(lock)], lock.read_text(encoding="utf-8")
    )
    wheels = CACHE / "wheels"
    _quietly(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT))
    (wheel,) = wheels.glob("*.whl")
    _quietly(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    wheel.unlink()
    return python


def install_rivals() -> Path:
    """Install what we compare with; give the folder with the programs."""
    return Path(_environment("rivals", RIVALS, " ".join(RIVALS))).parent


def _environment(name: str, requirements: Sequence[str], wanted: str) -> str:
    """Make a virtual environment, unless there is one with the same contents."""
    folder, stamp = CACHE / name, CACHE / f"{name}.sha256"
    python = str(folder / "bin" / "python")
    digest = hashlib.sha256(f"{sys.version}\n{wanted}".encode()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        _quietly(sys.executable, "-m", "venv", "--clear", str(folder))
        _quietly(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
        stamp.write_text(digest, encoding="utf-8")
    return python


def _quietly(*command: str) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
