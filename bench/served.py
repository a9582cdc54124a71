"""Starting the index in a process of its own, and asking it what it was asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from bench.index import FORGET, LOG

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Served:
    """An index that runs."""

    origin: str
    authority: str
    """PEM file of who signed its certificate; empty without TLS."""
    control: str
    """Where it is asked about itself."""

    @property
    def upload_url(self) -> str:
        """Where uploads go."""
        return f"{self.origin}/legacy/"

    @property
    def simple_url(self) -> str:
        """Root of the simple index."""
        return f"{self.origin}/simple/"

    def asked(self) -> Counter[str]:
        """Give the number of requests by method since this was asked last."""
        return Counter(method for method, *_ in json.loads(self._control(LOG)))

    def forget(self) -> None:
        """Empty the index."""
        self._control(FORGET)

    def _control(self, path: str) -> bytes:
        with build_opener(ProxyHandler({})).open(self.control + path) as answer:
            body: bytes = answer.read()
        return body


@contextmanager
def index(*, latency: float, bandwidth: float = 0.0, tls: Path | None = None) -> Iterator[Served]:
    """Run an index while the block runs; with TLS, a certificate is made in the given folder."""
    command = [sys.executable, "-m", "bench.index", f"--latency={latency}", f"--bandwidth={bandwidth}"]
    authority = ""
    if tls:
        authority, certificate = _certificate(tls)
        command.append(f"--certificate={certificate}")
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port, control = process.stdout.readline().split()
            origin = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
            yield Served(origin, authority, f"http://127.0.0.1:{control}")
        finally:
            process.kill()


def _certificate(folder: Path) -> tuple[str, str]:
    import trustme  # noqa: PLC0415 - the bench does without it, unless it is asked for TLS

    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    ca, server = folder / "authority.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(ca))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(server))
    return str(ca), str(server)
