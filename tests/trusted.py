"""Runs in the world that publish without a password, checked for what holds for every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entrypoint.patience import Clock
from tests.distributions import make_sdist, make_wheel
from tests.line import Run, publish
from tests.peers.scripted import Answer, Request
from tests.peers.world import Entry, World
from tests.peers.world.proxy import Host

STEPS = {
    "/_/oidc/audience": "audience",
    "/_/oidc/mint-token": "mint",
    "/_/oidc/burn-token": "burn",
    "/legacy/": "upload",
    "/.well-known/pytp": "discover",
    "/trusted/audience": "audience",
    "/trusted/mint": "mint",
    "/upload/": "upload",
}
"""Path → what is asked for there."""

ONE_FILE = ["read", "audience", "ID token", "mint", "upload", "burn"]
"""What a release of one file takes."""


def steps(world: World) -> list[str]:
    """Say in words what was asked for, in order."""
    return [_step(world, entry) for entry in world.journal.entries]


def _step(world: World, entry: Entry) -> str:
    if entry.path == world.github.request_path:
        return "ID token"
    return "read" if entry.path.startswith("/simple/") else STEPS.get(entry.path, str(entry))


def shown(world: World) -> list[str]:
    """Give the ID tokens that were posted to be exchanged, as far as they arrived."""
    posted = [entry for entry in world.journal.entries if _step(world, entry) == "mint" and entry.body]
    return [entry.json["token"] for entry in posted]


def wheel(workspace: Path, name: str = "demo", version: str = "1.0", tag: str = "py3-none-any") -> str:
    """Make a wheel to publish, and give its name."""
    return make_wheel(workspace / "dist", name, version, tag=tag).name


def release(workspace: Path, name: str = "demo") -> list[str]:
    """Make two wheels and an sdist to publish; give their names in the order in which they are sent."""
    wheels = [wheel(workspace, name, tag=f"py3-none-manylinux_2_{number}_x86_64") for number in (17, 5)]
    return [*wheels, make_sdist(workspace / "dist", name).name]


def publish_in(
    world: World,
    workspace: Path,
    inputs: Mapping[str, str] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Run:
    """Publish as a job of GitHub's that may have ID tokens, or in another environment; without attestations."""
    inputs = {"attestations": "false"} | dict(inputs or {})
    environ = world.github.job() if env is None else env
    with world.transport() as transport:
        ours = publish(workspace, inputs, transport=transport, env=environ, clock=clock, secrets=world.journal.secrets)
    right(world)
    masked_first(ours.raw, world.journal.secrets)
    return ours


def right(world: World) -> None:
    """Check what holds for every run: no ID token is shown twice, and nobody does what the protocol does not allow."""
    jwts = shown(world)
    assert len(jwts) == len(set(jwts)), "an ID token was shown twice"
    for index in (world.pypi, world.testpypi, world.discovery):
        assert not index.violations
    burns = [entry.json["token"] for entry in world.journal.entries if _step(world, entry) == "burn"]
    assert len(burns) == len(set(burns)), "a token was burnt twice"


def masked_first(raw: str, secrets: set[str]) -> None:
    """Check that every secret in the log is masked in it, before anything else is made of it."""
    for secret in secrets:
        before, found, _ = raw.partition(secret)
        assert not found or before.endswith("::add-mask::"), "a secret was printed before it was masked"


def remark(run: Run, title: str) -> Any:
    """Give the one remark of a title."""
    (found,) = [each for each in run.report["remarks"] if each["title"] == title]
    return found


@dataclass(frozen=True, slots=True)
class Front:
    """A peer that stands before another one, and changes what it says."""

    behind: Host
    change: Callable[[Request, Answer], Answer]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Those of the other one."""
        return self.behind.hosts

    def __call__(self, request: Request) -> Answer:
        """Answer as the other one does, changed."""
        return self.change(request, self.behind(request))


def after(path: str, do: Callable[[], object]) -> Callable[[Request, Answer], Answer]:
    """Let something happen each time after a path was asked for with success."""

    def change(request: Request, answer: Answer) -> Answer:
        if request.target == path and answer.status == 200 and answer.cut is None:
            do()
        return answer

    return change


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines that Markdown shows as they stand: those between fences."""
    fence = ""
    for line in text.splitlines():
        bare = line.strip()
        if fence and bare == fence:
            fence = ""
        elif fence:
            yield line
        elif bare.startswith("```"):
            fence = bare
    assert not fence, "a fence is not closed"
