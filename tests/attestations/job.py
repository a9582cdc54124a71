"""Runs that may sign, checked for what holds for every one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entrypoint.patience import Clock
from tests.distributions import make_wheel
from tests.line import Run
from tests.peers.world import World
from tests.trusted import publish_in, release, remark, steps

TRUST = "trust.json"
FULCIO, REKOR = "fulcio.sigstore.example", "rekor.sigstore.example"
WITHOUT = " The release goes on without attestations."

SIGNING = {
    f"POST {FULCIO}/api/v2/signingCert": "certificate",
    f"POST {REKOR}/api/v1/log/entries": "entry",
    "POST fulcio.sigstore.dev/api/v2/signingCert": "certificate",
    "POST rekor.sigstore.dev/api/v1/log/entries": "entry",
}


@dataclass(frozen=True, slots=True)
class Job:
    """A job in a world, and its workspace."""

    world: World
    workspace: Path

    @property
    def dist(self) -> Path:
        """Where its distributions are."""
        return self.workspace / "dist"

    def release(self) -> list[str]:
        """Make two wheels and an sdist; give their names in the order in which they are sent."""
        return release(self.workspace)

    def wheels(self, number: int) -> list[str]:
        """Make so many wheels of one release."""
        tags = [f"py3-none-manylinux_2_{each}_x86_64" for each in range(17, 17 + number)]
        return [make_wheel(self.dist, "demo", tag=tag).name for tag in tags]

    @property
    def steps(self) -> list[str]:
        """What was asked for, in order."""
        return [SIGNING.get(step, step) for step in steps(self.world)]

    @property
    def audiences(self) -> list[str]:
        """For whom ID tokens were issued, in order."""
        return [each["aud"] for each in self.world.github.issued]

    def publish(
        self,
        inputs: Mapping[str, str] | None = None,
        *,
        trust: str | None = "",
        env: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> Run:
        """Publish with the private Sigstore of the world, with another trust configuration, or (None) with none."""
        named = {"attestations": "true"}
        if trust is not None:
            self.workspace.mkdir(exist_ok=True)
            (self.workspace / TRUST).write_text(trust or self.world.sigstore.trust_config(), encoding="utf-8")
            named |= {"sigstore-trust-config": TRUST}
        before, asked, had = self._files(), len(self.world.journal.entries), len(self.attested)
        ours = publish_in(self.world, self.workspace, {**named, **(inputs or {})}, env=env, clock=clock)
        assert self._files() == before, "something was written beside the user's files"
        ordered(self.steps[asked:], attested=len(self.attested) > had)
        self.true(ours)
        return ours

    @property
    def attested(self) -> list[str]:
        """Names of the files that came to PyPI with attestations."""
        return [file.filename for file in self.world.pypi.files if file.attestations]

    def true(self, ours: Run) -> None:
        """Check that the report says of attestations what PyPI has."""
        told = {file["filename"]: file["attestations"] for file in ours.report["files"] if file["attestations"]}
        files = (*self.world.pypi.files, *self.world.discovery.files)
        sent = {file.filename: file for file in files if file.token}
        assert set(told) <= set(sent)
        for name, logs in told.items():
            if self.world.discovery.files:
                continue  # it says nothing of attestations
            assert sent[name].attestations, f"{name} is not attested"
            (bundle,) = json.loads(sent[name].provenance or "{}").get("attestation_bundles", [{"attestations": []}])
            entries = [entry.url for entry in self.world.sigstore.entries if entry.sha256 == sent[name].sha256]
            assert set(logs) <= set(entries)
            assert len(logs) == len(json.loads(sent[name].attestations or ""))
            if sent[name].provenance:
                assert len(bundle["attestations"]) == len(logs)

    def _files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.workspace.rglob("*") if path.is_file()}


def ordered(asked: list[str], *, attested: bool) -> None:
    """Check the order of deeds: an ID token before a certificate, and all signatures before a mint and an upload.

    What was begun when signing was given up may end later, but then nothing is attested.
    """
    if attested and "mint" in asked:
        first = asked.index("audience")
        assert {"certificate", "entry"}.isdisjoint(asked[first:]), "something was signed after the sign-in"
    if "certificate" in asked:
        assert "ID token" in asked[: asked.index("certificate")]


def went_without(job: Job, ours: Run, names: list[str], title: str) -> Any:
    """Check that a release was published, all of it without attestations, with one warning; and give that."""
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded")), ours.raw
    assert not job.attested
    assert {tuple(file["attestations"]) for file in ours.report["files"]} == {()}
    assert [each["title"] for each in ours.report["remarks"] if each["level"] == "warning"] == [title]
    assert len(ours.messages("warning")) == 1
    told = remark(ours, title)
    assert told["detail"].endswith(WITHOUT) or title == "Published without attestations"
    return told


def stopped(job: Job, ours: Run, names: list[str], title: str) -> Any:
    """Check that nothing was sent, and no token of the index was asked for, for one reason; and give that."""
    assert (ours.status, ours.titles) == (2, [title]), ours.raw
    assert ours.states == dict.fromkeys(names, "not-attempted")
    assert {"audience", "mint", "upload"}.isdisjoint(job.steps)
    told = remark(ours, title)
    assert told["level"] == "error"
    assert WITHOUT not in told["detail"]
    return told
