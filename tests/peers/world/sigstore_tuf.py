"""The repository in which Sigstore's public instance tells whom to trust (TUF), made and signed with the real library.

A client that is to believe it takes its first `root` as the one that it came with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer._crypto_signer import CryptoSigner
from tuf.api._payload import MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.metadata import Metadata

from tests.peers.scripted import Answer, Request
from tests.peers.world.proxy import Stage, target, text_answer

HOST = "tuf-repo-cdn.sigstore.dev"


class Tuf:
    """A repository with what is to be known of one Sigstore. Its fault: `tuf` (503)."""

    hosts = (HOST,)
    url = f"https://{HOST}"

    def __init__(self, stage: Stage, trust_config: str, *, rotations: int = 0, days: int = 7) -> None:
        """Make it from a `ClientTrustConfig`: with keys that changed so many times, and good for so many days."""
        self._stage = stage
        self._ends = datetime.fromtimestamp(int(stage.now()), UTC) + timedelta(days=days)
        told = json.loads(trust_config)
        self.targets = {
            "trusted_root.json": json.dumps(told["trustedRoot"]).encode(),
            "signing_config.v0.2.json": json.dumps(told["signingConfig"]).encode(),
        }
        """Name → content. What is changed after the repository was made, nobody has signed."""
        self._key = CryptoSigner.generate_ed25519()
        self._files = dict(self._signed())
        roots = self._roots(rotations)
        self.root = roots[0]
        """What clients came with."""
        self._files |= {f"/{number}.root.json": text for number, text in enumerate(roots, 1)}

    def __call__(self, request: Request) -> Answer:
        """Answer a request for a file."""
        return self._stage.faults.play("tuf", text_answer(503, "Service Unavailable"), lambda: self._file(request))

    def _file(self, request: Request) -> Answer:
        path, _ = target(request)
        if path.startswith("/targets/"):
            digest, _, name = path.removeprefix("/targets/").partition(".")
            content = self.targets.get(name)
            known = content is not None and f"/targets/{digest}.{name}" in self._files
            return Answer(body=content) if known and content is not None else text_answer(404, "no such key")
        content = self._files.get(path)
        return text_answer(404, "no such key") if content is None else Answer(body=content)

    def _roots(self, rotations: int) -> list[bytes]:
        """Make one root after the other, each with a key of its own and signed with that of the one before it, too."""
        made, before = [], CryptoSigner.generate_ed25519()
        for version in range(1, rotations + 2):
            key = before if version == 1 else CryptoSigner.generate_ed25519()
            root = Root(version=version, expires=self._ends, consistent_snapshot=True)
            root.add_key(key.public_key, "root")
            for role in ("timestamp", "snapshot", "targets"):
                root.add_key(self._key.public_key, role)
            made.append(_bytes(root, key, *([before] if key is not before else [])))
            before = key
        return made

    def _signed(self) -> Mapping[str, bytes]:
        targets = Targets(expires=self._ends)
        files = {}
        for name, content in self.targets.items():
            targets.targets[name] = TargetFile.from_data(name, content, ["sha256"])
            files[f"/targets/{hashlib.sha256(content).hexdigest()}.{name}"] = content
        snapshot = Snapshot(expires=self._ends, meta={"targets.json": MetaFile(1)})
        timestamp = Timestamp(expires=self._ends, snapshot_meta=MetaFile(1))
        return files | {
            "/1.targets.json": _bytes(targets, self._key),
            "/1.snapshot.json": _bytes(snapshot, self._key),
            "/timestamp.json": _bytes(timestamp, self._key),
        }


def _bytes(signed: Any, *keys: CryptoSigner) -> bytes:
    metadata = Metadata(signed)
    for key in keys:
        metadata.sign(key, append=True)
    return metadata.to_bytes()
