"""A job that publishes to Artifact Registry: its workspace, what it asks whom, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from entrypoint.patience import Clock
from tests.distributions import make_sdist, make_wheel
from tests.line import Run, Waits, publish
from tests.peers.world import World
from tests.peers.world.google import Google
from tests.peers.world.google_metadata import HOST

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"

SHORT = {
    "pipelines.actions.githubusercontent.com": "github",
    "sts.googleapis.com": "sts",
    "iamcredentials.googleapis.com": "iam",
    "oauth2.googleapis.com": "oauth2",
    HOST: "metadata",
}
"""Who is asked, in a word."""

Around = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]
"""Does something around a request."""


class Between(httpx.BaseTransport):
    """A transport with somebody in between."""

    def __init__(self, inner: httpx.BaseTransport, around: Around) -> None:
        self._inner = inner
        self._around = around

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Let them do what they do."""
        return self._around(request, lambda: self._inner.handle_request(request))

    def close(self) -> None:
        """Close what it stands before."""
        self._inner.close()


class Slow:
    """A host that never answers, as somebody sees it who waits for as long as the request says."""

    def __init__(self, method: str, host: str) -> None:
        self._method = method
        self._host = host
        self.waited: list[float] = []
        """Seconds, for each request."""

    def __call__(self, request: httpx.Request, go_on: Callable[[], httpx.Response]) -> httpx.Response:
        """Let every request go on but those to the host, with the method if there is one."""
        if request.url.host != self._host or self._method not in ("", request.method):
            return go_on()
        self.waited.append(request.extensions["timeout"]["read"])
        raise httpx.ReadTimeout("timed out", request=request)


@dataclass
class Job:
    """A job, with a wheel and an sdist of `demo` in its workspace."""

    world: World
    workspace: Path
    asked: list[str] = field(default_factory=list)
    """Who was asked in the last run, in order: `read` and `upload` are the registry."""

    def __post_init__(self) -> None:
        make_wheel(self.dist, "demo")
        make_sdist(self.dist, "demo")

    @property
    def dist(self) -> Path:
        """Where the distributions are."""
        return self.workspace / "dist"

    @property
    def google(self) -> Google:
        """The played Google."""
        return self.world.google

    @property
    def to(self) -> dict[str, str]:
        """The input for the repository, and nothing to sign in with."""
        return {"repository-url": self.google.repository.url}

    @property
    def keyless(self) -> dict[str, str]:
        """The inputs for direct federation."""
        return self.to | {"google-workload-identity-provider": self.google.provider.name}

    @property
    def as_account(self) -> dict[str, str]:
        """The inputs for federation with a service account."""
        return self.keyless | {"google-service-account": self.google.account.email}

    def publish(
        self,
        inputs: Mapping[str, str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        around: Around | None = None,
    ) -> Run:
        """Run the program in this job; `env` are the variables of another job, or more than those of this one."""
        before = len(self.world.journal.entries)
        transport: httpx.BaseTransport = self.world.transport()
        if around:
            transport = Between(transport, around)
        with transport:
            ours = publish(
                self.workspace,
                self.keyless if inputs is None else inputs,
                transport=transport,
                env=self.world.github.job() if env is None else env,
                clock=clock or Waits().clock,
                secrets=self.world.journal.secrets,
            )
        entries = self.world.journal.entries[before:]
        self.asked = [SHORT.get(each.host) or self._registry(each.host, each.method) for each in entries]
        assert self.google.violations == []
        return ours

    def _registry(self, host: str, method: str) -> str:
        verb = {"GET": "read", "POST": "upload"}.get(method, method)
        return verb if host == self.google.repository.host else f"{verb} {host}"
