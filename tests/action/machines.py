"""Machines: the two ways in which a step's container comes to be, a mount namespace and a Docker Engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.action.namespace import CLONE_NEWNS

NAMESPACE = Path(__file__).with_name("namespace.py")


class Machine(Protocol):
    """A way to run a step's container."""

    def launch(self, environ: Mapping[str, str], mounts: Mapping[str, str], entrypoint: str | None) -> Launch:
        """Say what to execute; `mounts` maps folders of the host to folders of the container."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A command and the environment it is started in; `cleanup` removes what it may leave behind."""

    command: Sequence[str]
    environ: Mapping[str, str]
    cleanup: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Native:
    """The host's own file system with GitHub's folders mounted, for root on Linux; `command` starts with a path."""

    command: Sequence[str]

    def launch(self, environ: Mapping[str, str], mounts: Mapping[str, str], entrypoint: str | None) -> Launch:
        """Start the command behind the mounts; an `entrypoint` of action.yml takes the place of its first part."""
        first = entrypoint or self.command[0]
        return Launch(
            [sys.executable, "-I", "-S", str(NAMESPACE), json.dumps(dict(mounts)), first, *self.command[1:]], environ
        )


@dataclass(frozen=True, slots=True)
class Docker:
    """A container of a Docker Engine, started with the runner's own command line (`DockerCommandManager.DockerRun`).

    Left out is the mount of the engine's socket: the action must not use it. `options` go before the image.
    """

    image: str
    network: str | None = None
    options: Sequence[str] = ()

    def launch(self, environ: Mapping[str, str], mounts: Mapping[str, str], entrypoint: str | None) -> Launch:
        """Run the image; values are in the client's environment only, never on the command line."""
        docker = shutil.which("docker")
        if docker is None:
            raise FileNotFoundError("docker")
        name = f"publish-action-{uuid.uuid4().hex[:12]}"
        command = [docker, "run", "--name", name, "--workdir", "/github/workspace", "--rm"]
        for variable in environ:
            command += ["-e", variable]
        if entrypoint:
            command += ["--entrypoint", entrypoint]
        if self.network:
            command += ["--network", self.network]
        for source, target in mounts.items():
            command += ["-v", f"{source}:{target}"]
        # The client needs to find its engine; these names are not among those that it passes on.
        client = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")} | dict(environ)
        return Launch([*command, *self.options, self.image], client, [docker, "rm", "--force", name])


@contextmanager
def launched(
    machine: Machine, environ: Mapping[str, str], mounts: Mapping[str, str], entrypoint: str | None
) -> Iterator[Launch]:
    """Give what to execute, and clean up after it: a killed client leaves its container running."""
    launch = machine.launch(environ, mounts, entrypoint)
    try:
        yield launch
    finally:
        if launch.cleanup:
            subprocess.run(launch.cleanup, check=False, capture_output=True)


@cache
def no_namespaces() -> str | None:
    """Say why `Native` cannot run here, if it cannot."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "mount namespaces need root on Linux"
    probe = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({CLONE_NEWNS}) != 0)"
    if subprocess.run([sys.executable, "-I", "-c", probe], check=False).returncode:
        return "this machine allows no mount namespaces"
    return None


@cache
def no_engine() -> str | None:
    """Say why `Docker` cannot run here, if it cannot."""
    docker = shutil.which("docker")
    if docker is None:
        return "there is no docker client"
    try:
        answer = subprocess.run([docker, "info"], check=False, capture_output=True, timeout=20)
    except subprocess.TimeoutExpired:
        return "the Docker Engine does not answer"
    return None if answer.returncode == 0 else "no Docker Engine answers (.ci/engine starts one)"
