"""A world on loopback: production hosts, played behind a proxy, with certificates of an authority of our own.

The program under test gets two variables (`World.environ`) or a transport (`World.transport`), keeps its production
URLs, and can reach nothing real:

    with running_world(tmp_path) as world:
        world.pypi.publishers.append(Publisher("octo-org", "octo-repo", "release.yml", projects=["demo"]))
        environ = world.environ | world.github.job()
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.peers.process import LOOPBACK
from tests.peers.tls import Authority, authority
from tests.peers.world.discovery import Discovery
from tests.peers.world.github import GitHub
from tests.peers.world.google import Google
from tests.peers.world.proxy import Entry, Faults, Host, Journal, Proxy, Stage
from tests.peers.world.pypi import PendingPublisher, Publisher, PyPI
from tests.peers.world.sigstore import Sigstore

__all__ = [
    "Discovery",
    "Entry",
    "Faults",
    "GitHub",
    "Google",
    "Host",
    "Journal",
    "PendingPublisher",
    "Publisher",
    "PyPI",
    "Sigstore",
    "Stage",
    "World",
    "running_world",
]


class World:
    """A running world: its peers, and what they share."""

    def __init__(self, by: Authority, proxy: Proxy, port: int, journal: Journal) -> None:
        self.ca_file = by.ca_file
        self.proxy_url = f"http://{LOOPBACK}:{port}"
        self.journal = journal
        self.faults = Faults()
        self.now: Callable[[], float] = time.time
        """Unix time in seconds, for all peers; may be replaced by a clock that is ahead."""
        self._proxy = proxy
        self.github = GitHub(self)
        issuers = {self.github.issuer: self.github.keys}
        self.pypi = PyPI(self, issuers, ("upload.pypi.org", "pypi.org"), audience="pypi")
        self.testpypi = PyPI(self, issuers, ("test.pypi.org",), audience="testpypi", faults="testpypi-")
        self.discovery = Discovery(self, issuers)
        self.sigstore = Sigstore(self, issuers)
        for index in (self.pypi, self.testpypi):
            index.trust_config = self.sigstore.trust_config
        self.google = Google(self.github, self.journal, self.faults, self._time)
        peers: tuple[Host, ...] = (self.github, self.pypi, self.testpypi, self.discovery, self.sigstore)
        for host in (*peers, *self.google.hosts):
            self.add(host)

    @property
    def environ(self) -> dict[str, str]:
        """The variables with which a process is in this world."""
        return {"HTTPS_PROXY": self.proxy_url, "SSL_CERT_FILE": str(self.ca_file)}

    def transport(self) -> httpx.HTTPTransport:
        """Return a transport that is in this world; whoever has it closes it."""
        return httpx.HTTPTransport(verify=ssl.create_default_context(cafile=self.ca_file), proxy=self.proxy_url)

    def _time(self) -> float:
        return self.now()  # whatever clock it is by then

    def add(self, host: Host) -> None:
        """Let one more peer play its hosts; of two for the same host, the one that was added last does."""
        self._proxy.add(host)


@contextmanager
def running_world(directory: Path, *hosts: Host) -> Iterator[World]:
    """Run a world, with these peers on top of the usual ones; its certificate is written to `directory`.

    What a peer raises is answered with 500 and raised again in the end.
    """
    by, journal = authority(directory), Journal()
    proxy = Proxy(journal, by.ca)
    world = World(by, proxy, proxy.start(), journal)
    for host in hosts:
        world.add(host)
    try:
        yield world
    finally:
        proxy.cut()
        world.faults.end()
        proxy.stop()
