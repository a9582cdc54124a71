"""A world to look at by hand.

    python -m tests.peers.world DIRECTORY [PROJECT ...] > variables &
    . ./variables; curl --cacert "$SSL_CERT_FILE" https://upload.pypi.org/_/oidc/audience

It prints the variables of a process that is a job in this world, in the shell's spelling, and then, to standard error,
every request; until it is interrupted. The job may publish the projects. Faults are arranged from outside:

    curl --cacert "$SSL_CERT_FILE" https://world.example/faults -d '{"audience": 2, "mint": {"status": 429}}'
    curl --cacert "$SSL_CERT_FILE" https://world.example/faults -X DELETE
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world import World, running_world
from tests.peers.world.proxy import target

POLL_SECONDS = 0.2


class Control:
    """What a person says to the world."""

    hosts = ("world.example",)

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, request: Request) -> Answer:
        """Arrange faults, or let everything go well again."""
        if target(request)[0] != "/faults" or request.method not in ("POST", "DELETE"):
            return json_answer({"try": "POST or DELETE /faults"}, 404)
        if request.method == "DELETE":
            self._world.faults.reset()
        else:
            for name, value in request.json.items():
                self._world.faults.set(name, _setting(value))
        return json_answer({"fired": self._world.faults.fired})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a world until somebody interrupts it."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers.world", description="Run a world on loopback.")
    parser.add_argument("directory", type=Path, help="where the certificate of its authority is written")
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help="project that the job may publish")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running_world(given.directory.absolute()) as world, contextlib.suppress(KeyboardInterrupt):
        world.add(Control(world))
        for index in (world.pypi, world.testpypi, world.discovery):
            index.trust(world.github, *given.projects)
        for name, value in (world.environ | world.github.job()).items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.flush()
        _tell(world)


def _tell(world: World) -> None:
    told = 0
    while True:
        for entry in world.journal.entries[told:]:
            sys.stderr.write(f"{entry} → {entry.status or 'cut'}\n")
            told += 1
        time.sleep(POLL_SECONDS)


def _setting(value: Any) -> Any:
    """Read a fault: a number, true, an answer as an object with the fields of `Answer`, or a list of these."""
    if isinstance(value, list):
        return [_setting(each) for each in value]
    if isinstance(value, Mapping):
        fields = dict(value)
        return Answer(**fields | {"body": str(fields.get("body", "")).encode()})
    return value


if __name__ == "__main__":
    main()
