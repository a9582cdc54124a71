"""Attestation files that lie beside distributions: sent where they are right, told of where they are not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrypoint.attestations import given
from entrypoint.distribution import collect
from entrypoint.errors import DistributionError
from tests.attestations.job import Job, stopped
from tests.distributions import make_sdist, make_wheel
from tests.line import Run
from tests.peers.world.sigstore_given import OTHER, PUBLISH, SLSA, Given
from tests.trusted import remark

TITLE = "An attestation is not usable"


def sent(job: Job, name: str) -> list[Any]:
    """Give the statements that came to PyPI with a file."""
    (file,) = [each for each in job.world.pypi.files if each.filename == name]
    return [Given.statement(each) for each in json.loads(file.attestations or "[]")]


def one_wheel(job: Job) -> Path:
    (name,) = job.wheels(1)
    return job.dist / name


def warned(ours: Run, title: str = TITLE) -> list[str]:
    """Give the details of the warnings, all of which have this title."""
    found = [each for each in ours.report["remarks"] if each["level"] == "warning"]
    assert {each["title"] for each in found} <= {title}
    return [each["detail"] for each in found]


def test_both_kinds_are_reused(job: Job) -> None:
    """A publish attestation and a provenance of SLSA that are right are sent, and nobody certifies anything more."""
    wheel, made = one_wheel(job), Given(job.world)
    made.publish(wheel)
    made.slsa(wheel)
    entries, certificates = list(job.world.sigstore.entries), len(job.world.sigstore.certificates)
    ours = job.publish({"attestations": "required"})
    assert (ours.status, warned(ours)) == (0, [])
    assert [each["predicateType"] for each in sent(job, wheel.name)] == [PUBLISH, SLSA]
    assert job.world.sigstore.entries == entries
    assert len(job.world.sigstore.certificates) == certificates
    assert sorted(ours.report["files"][0]["attestations"]) == sorted(entry.url for entry in entries)
    assert "Attested: 1 file, log " in ours.raw
    assert "Other files are left alone" not in ours.raw


def test_sigstore_is_not_needed_for_what_is_there(job: Job) -> None:
    """Where nothing is to be signed, an outage of Sigstore's is none of ours."""
    wheel = one_wheel(job)
    Given(job.world).publish(wheel)
    job.world.faults.set("fulcio", True)
    job.world.faults.set("rekor", True)
    ours = job.publish({"attestations": "required"})
    assert (ours.status, job.attested, ours.messages("warning")) == (0, [wheel.name], [])


def test_what_is_missing_is_signed(job: Job) -> None:
    """A provenance of SLSA is sent next to what is signed here; a file without gets its own."""
    wheel, other = (job.dist / name for name in job.wheels(2))
    Given(job.world).slsa(wheel)
    ours = job.publish()
    assert warned(ours) == []
    assert [each["predicateType"] for each in sent(job, wheel.name)] == [PUBLISH, SLSA]
    assert [each["predicateType"] for each in sent(job, other.name)] == [PUBLISH]
    counts = {file["filename"]: len(file["attestations"]) for file in ours.report["files"]}
    assert counts == {wheel.name: 2, other.name: 1}
    assert "Attested: 2 files, log " in ours.raw
    assert " and 2 more." in ours.raw


BAD: dict[str, tuple[Callable[[Given, Path, Path], object], str]] = {
    "about another file": (
        lambda made, wheel, sdist: made.about_another(wheel, sdist),
        "It would be refused by the index: it is about [('demo-1.0.tar.gz', ",
    ),
    "tampered": (
        lambda made, wheel, _: made.tampered(wheel),
        "It would be refused by the index: DSSE: invalid signature.",
    ),
    "a bundle": (
        lambda made, wheel, _: made.sigstore_bundle(wheel),
        "it is no attestation object of PEP 740 (it is a Sigstore bundle).",
    ),
    "malformed": (lambda made, wheel, _: made.malformed(wheel), "it is no attestation object of PEP 740."),
    "empty": (lambda _, wheel, __: given_file(wheel, b""), "it is no attestation object of PEP 740."),
    "deep": (lambda _, wheel, __: given_file(wheel, b"[" * 100_000), "it is no attestation object of PEP 740."),
    "no text": (lambda _, wheel, __: given_file(wheel, b"\xff"), "it is no text in UTF-8."),
    "long": (lambda _, wheel, __: given_file(wheel, b" " * (2**20 + 1)), "it is longer than 1 MiB."),
}


def given_file(wheel: Path, content: bytes) -> Path:
    """Leave anything as a publish attestation."""
    path = wheel.with_name(f"{wheel.name}.publish.attestation")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_is_made_anew(kind: str, job: Job, tmp_path: Path) -> None:
    """A publish attestation that is not right is told of and replaced by one of ours, even where some are required."""
    wheel = one_wheel(job)
    make, seen = BAD[kind]
    make(Given(job.world), wheel, make_sdist(tmp_path, "demo"))
    ours = job.publish({"attestations": "required"})
    (told,) = warned(ours)
    assert told.startswith(f"{wheel.name}.publish.attestation: {seen}")
    assert told.endswith(" A new one is signed instead.")
    found = remark(ours, TITLE)
    assert found["path"] == f"dist/{wheel.name}"
    assert found["tip"] == "Remove it before the step, or make it anew for this very file."
    assert (ours.status, job.attested) == (0, [wheel.name])
    assert [each["predicateType"] for each in sent(job, wheel.name)] == [PUBLISH]


def test_the_same_name_with_other_bytes(job: Job, tmp_path: Path) -> None:
    """An attestation of an earlier build, of other bytes under the name, is not sent."""
    wheel = one_wheel(job)
    other = make_wheel(tmp_path / "other", "demo", tag="py3-none-manylinux_2_17_x86_64", filler=10)
    assert other.name == wheel.name
    Given(job.world).publish(other).rename(wheel.with_name(f"{wheel.name}.publish.attestation"))
    (told,) = warned(job.publish())
    assert f"it is about [('{wheel.name}', '" in told
    assert job.attested == [wheel.name]


def test_another_identity(job: Job) -> None:
    """An attestation by another workflow is not sent: the index would refuse it."""
    wheel = one_wheel(job)
    job.world.sigstore.workflow_file = "build.yml"
    Given(job.world).publish(wheel)
    job.world.sigstore.workflow_file = None
    (told,) = warned(job.publish())
    assert told == (
        f"{wheel.name}.publish.attestation: It would be refused by the index: Certificate's Build Config URI does not "
        "match expected Trusted Publisher (release.yml @ octo-org/octo-repo) (it is that of "
        "https://github.com/octo-org/octo-repo/.github/workflows/build.yml@refs/tags/v1.0). A new one is signed "
        "instead."
    )
    assert job.attested == [wheel.name]


@pytest.mark.parametrize("mode", ["true", "required"])
def test_a_third_type(mode: str, job: Job) -> None:
    """An index takes two types of attestations: a third one is not sent, or stops the run if some are required."""
    wheel = one_wheel(job)
    Given(job.world).three(wheel)
    ours = job.publish({"attestations": mode})
    if mode == "required":
        told = stopped(job, ours, [wheel.name], TITLE)
        assert told["detail"].startswith(f"{wheel.name}.other.attestation: It would be refused by the index: ")
        assert told["tip"].endswith("`attestations: true` sends the file without.")
        return
    (seen,) = warned(ours)
    assert seen.startswith(f"{wheel.name}.other.attestation: It would be refused by the index: ValueError: '{OTHER}'")
    assert seen.endswith(" The file is sent without it.")
    assert [each["predicateType"] for each in sent(job, wheel.name)] == [PUBLISH, SLSA]


def test_two_of_a_kind(job: Job) -> None:
    """Of two with the same type the first is sent, by name."""
    wheel, made = one_wheel(job), Given(job.world)
    made.slsa(wheel).rename(wheel.with_name(f"{wheel.name}.build.attestation"))
    made.slsa(wheel)
    (told,) = warned(job.publish())
    assert told == (
        f"{wheel.name}.slsa.attestation: there is another one of its kind ({SLSA}). The file is sent without it."
    )
    assert [each["predicateType"] for each in sent(job, wheel.name)] == [PUBLISH, SLSA]


def test_orphans(job: Job) -> None:
    """An attestation whose distribution is not published gets a notice, as does one with a name that means nothing."""
    wheel = one_wheel(job)
    orphans = ["demo-0.9.tar.gz.publish.attestation", "demo.attestation", f"{wheel.name}.attestation"]
    for name in orphans:
        (job.dist / name).write_text("{}", encoding="utf-8")
    ours = job.publish({"attestations": "required"})
    assert (ours.status, warned(ours), job.attested) == (0, [], [wheel.name])
    told = remark(ours, "Attestations without a distribution")
    assert told["level"] == "notice"
    assert told["detail"].startswith(f"Not sent: {', '.join(sorted(orphans))}. The name of an attestation is ")


def test_none_are_sent(job: Job) -> None:
    """What lies there is not sent with `attestations: false`, nor with a token; a notice says so."""
    wheel = one_wheel(job)
    path = Given(job.world).publish(wheel)
    for inputs in ({"attestations": "false"}, {"password": job.world.pypi.api_token()}):
        job.world.pypi.files.clear()
        ours = job.publish(inputs)
        assert (ours.status, job.attested) == (0, [])
        told = remark(ours, "Attestations are not sent")
        assert (told["level"], told["detail"]) == ("notice", f"This run sends none, and leaves out {path.name}.")


# By name and by content


def test_pairs(tmp_path: Path) -> None:
    """An attestation belongs to the distribution in its folder whose name it begins with."""
    here, there = tmp_path / "a", tmp_path / "b"
    wheel, sdist = make_wheel(here, "demo"), make_sdist(there, "demo")
    names = [
        wheel.with_name(f"{wheel.name}.publish.attestation"),
        wheel.with_name(f"{wheel.name}.slsa.attestation"),
        there / f"{wheel.name}.publish.attestation",
        there / f"{sdist.name}.slsa.attestation",
        here / "x.attestation",
    ]
    for path in names:
        path.touch()
    collection = collect(["a", "b"], tmp_path)
    assert sorted(collection.attestations) == sorted(names)
    pairs, orphans = given.paired(collection.attestations, collection.found)
    assert pairs == {wheel: names[:2], sdist: [names[3]]}
    assert sorted(orphans) == sorted([names[2], names[4]])


@pytest.mark.parametrize("name", [".attestation", "..attestation", "a.attestation", "a..attestation"])
def test_names_that_mean_nothing(name: str, tmp_path: Path) -> None:
    """Any name is at worst that of an orphan."""
    wheel = make_wheel(tmp_path, "demo")
    assert given.paired([tmp_path / name], collect([wheel.name], tmp_path).found) == ({}, [tmp_path / name])


def test_remarks_are_short() -> None:
    """Of many names some are shown, and how many there are."""
    (orphans, unused) = given.remarks([Path(f"{each}.attestation") for each in range(5)], [Path("x")] * 7)
    assert "0.attestation, 1.attestation, 2.attestation, 3.attestation, 4.attestation. The" in orphans.detail
    assert unused.detail.endswith("x, x, x, x, x and 2 more.")
    assert list(given.remarks([], [])) == []


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe is not waited for, and a link that leads nowhere is told of."""
    os.mkfifo(pipe := tmp_path / "pipe")
    (link := tmp_path / "link").symlink_to(tmp_path / "nothing")
    for path, seen in ((pipe, "it is no file."), (link, "it cannot be read: No such file or directory.")):
        with pytest.raises(DistributionError) as error:
            given.text(path)
        assert error.value.detail == seen
