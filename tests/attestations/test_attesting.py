"""Attested releases, and those that could not be: whole runs in the world."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NoReturn

import pytest

from entrypoint import attestations
from entrypoint.attestations import policy, signing
from entrypoint.attestations.signing import Repository
from entrypoint.plan import NOT_ADDED
from tests.attestations.job import FULCIO, REKOR, WITHOUT, Job, stopped, went_without
from tests.line import Waits
from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world import World
from tests.peers.world.sigstore_tuf import HOST, Tuf
from tests.trusted import Front, masked_first, remark

PUBLIC = "No attestations: the job is in a reusable workflow"
LATE = "Not visible yet"


def test_an_attested_release(job: Job) -> None:
    """All files are signed with one certificate and verified before anybody is asked for a token of the index; PyPI
    verifies and serves them, and log, report and summary say where they are in the log.
    """
    names = job.release()
    ours = job.publish()
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded"))
    assert not ours.messages("warning")
    assert job.steps == [
        *("read", "ID token", "certificate", "entry", "entry", "entry"),
        *("audience", "ID token", "mint", "upload", "upload", "upload", "burn"),
    ]
    assert job.audiences == ["sigstore", "pypi"]
    assert job.attested == names
    urls = {entry.subject: entry.url for entry in job.world.sigstore.entries}
    assert {file["filename"]: file["attestations"] for file in ours.report["files"]} == {
        name: [url] for name, url in urls.items()
    }
    assert f"\nAttested: 3 files, log {urls[names[0]]} and 2 more.\n" in ours.raw
    lines = ours.summary.split("\n")
    begin = lines.index("Attested: 3 files")
    assert lines[begin + 1 : begin + 5] == ["", *(f"- `{name}`: <{urls[name]}>" for name in names)]
    assert not job.world.sigstore.violations
    assert ours.raw.count("::add-mask::") >= 4
    masked_first(ours.raw, job.world.journal.secrets)


def test_what_is_sent_along(job: Job) -> None:
    """The form field holds a list of one object of PEP 740, about the file and its hash, whose certificate names the
    job; the services are asked as by ourselves, and no timestamp is asked for.
    """
    (name,) = job.wheels(1)
    job.publish()
    (file,) = job.world.pypi.files
    (told,) = json.loads(file.attestations or "")
    assert (told["version"], set(told)) == (1, {"version", "verification_material", "envelope"})
    (bundle,) = json.loads(file.provenance or "")["attestation_bundles"]
    assert bundle["publisher"]["repository"] == "octo-org/octo-repo"
    (entry,) = job.world.sigstore.entries
    assert (entry.subject, entry.sha256) == (name, file.sha256)
    assert entry.predicate_type == "https://docs.pypi.org/attestations/publish/v1"
    (certificate,) = job.world.sigstore.certificates
    assert certificate.claims["workflow_ref"].startswith("octo-org/octo-repo/.github/workflows/release.yml@")
    assert entry.serial == certificate.serial
    for asked in [*job.world.journal.to(FULCIO), *job.world.journal.to(REKOR)]:
        assert asked.headers["user-agent"].startswith("publish-action/")
        assert asked.headers["accept-encoding"] == "identity"
        assert "cookie" not in asked.headers
    assert "authorization" not in job.world.journal.to(REKOR)[0].headers
    assert {entry.host for entry in job.world.journal.entries} == {
        *("pypi.org", "upload.pypi.org", "pipelines.actions.githubusercontent.com", FULCIO, REKOR)
    }


def test_twenty_files(job: Job) -> None:
    """One certificate serves twenty files, and the summary folds where they are."""
    names = job.wheels(20)
    ours = job.publish({"attestations": "required"})
    assert ours.states == dict.fromkeys(names, "uploaded")
    assert (job.steps.count("certificate"), job.steps.count("entry")) == (1, 20)
    assert sorted(job.attested) == sorted(names)
    lines = ours.summary.split("\n")
    begin, end = lines.index("<details><summary>Attested: 20 files</summary>"), lines.index("</details>")
    assert lines[begin + 1] == lines[end - 1] == ""
    assert end - begin == 23


def test_the_same_release_again(job: Job) -> None:
    """What is there is not signed again, and nobody of Sigstore's is asked."""
    names = job.release()
    job.publish()
    asked = len(job.world.journal.entries)
    again = job.publish()
    assert (again.status, again.states) == (0, dict.fromkeys(names, "already-present"))
    assert [entry.host for entry in job.world.journal.entries[asked:]] == ["pypi.org"]
    assert set(again.reasons.values()) == {"The index has the same bytes."}
    assert "Attested" not in again.raw + again.summary


def test_none_can_be_added(job: Job) -> None:
    """Of a file that is there without attestations the record says that it stays so, and the rest is attested."""
    first, second = job.wheels(2)
    job.world.pypi.put(first, (job.dist / first).read_bytes())
    ours = job.publish()
    assert ours.states == {first: "already-present", second: "uploaded"}
    assert ours.reasons[first] == "The index has the same bytes." + NOT_ADDED
    assert ours.reasons[first].endswith("They have no attestations there, and none can be added.")
    assert [entry.subject for entry in job.world.sigstore.entries] == job.attested == [second]
    assert NOT_ADDED not in job.publish({"attestations": "false"}).reasons[first]


# Outages, and whatever else goes wrong while signing.

FIVE = " Tried 5 times."
LOST = "Server disconnected without sending a response."
CANNOT = "Signing failed"

TROUBLE = [
    ("fulcio", "Sigstore could not answer", f"{FULCIO} answered 503.{FIVE}"),
    ("fulcio-too-many", "Sigstore could not answer", f"{FULCIO} answered 429.{FIVE}"),
    ("fulcio-cut", "No answer from Sigstore", f"The connection was lost. {FULCIO}: "),
    (
        "fulcio-denied",
        "Sigstore refuses to sign",
        f"{FULCIO} answered 400: There was an error processing the identity token.",
    ),
    ("fulcio-html", CANNOT, f"What {FULCIO} answered cannot be used (JSONDecodeError)."),
    ("fulcio-bad-sct", CANNOT, f"What {FULCIO} answered cannot be used (VerificationError: "),
    ("rekor", "Sigstore could not answer", f"{REKOR} answered 503.{FIVE}"),
    ("rekor-too-many", "Sigstore could not answer", f"{REKOR} answered 429.{FIVE}"),
    ("rekor-cut", "No answer from Sigstore", f"The connection was lost. {REKOR}: "),
    ("rekor-html", CANNOT, f"What {REKOR} answered cannot be used (JSONDecodeError)."),
    (
        "rekor-bad-proof",
        "An attestation does not verify",
        "It would be refused by the index: invalid log entry: inclusion proof contains invalid root hash.",
    ),
    (
        "rekor-bad-set",
        "An attestation does not verify",
        "It would be refused by the index: invalid log entry: SET: invalid inclusion promise",
    ),
]


@pytest.mark.parametrize(("fault", "title", "seen"), TROUBLE, ids=[each[0] for each in TROUBLE])
def test_trouble_that_stays(fault: str, title: str, seen: str, job: Job) -> None:
    """The release goes on without attestations, with one warning that says why; where they are required, nothing is
    sent, and nobody is asked for a token of the index.
    """
    names = job.wheels(2)
    job.world.faults.set(fault, True)
    told = stopped(job, job.publish({"attestations": "required"}), names, title)
    assert told["detail"].startswith(seen)
    outage = title in {"Sigstore could not answer", "No answer from Sigstore"}
    ours = job.publish({"attestations": "true"})
    warning = went_without(job, ours, names, title)
    assert warning["detail"].startswith(seen)
    assert (warning["tip"] == policy.NOT_LATER) is outage
    assert (warning["tip"] == told["tip"]) is not outage
    assert warning["links"] == told["links"]


@pytest.mark.parametrize(
    ("fault", "times", "entries"),
    [
        ("fulcio", 2, 2),
        ("fulcio-too-many", 1, 2),
        ("fulcio-cut", 1, 2),
        ("fulcio-html", 1, 2),
        ("rekor", 3, 2),
        ("rekor-too-many", 1, 2),
        ("rekor-cut", 2, 2),
        ("rekor-html", 1, 2),
        ("rekor-lost", 1, 3),
        ("rekor-lost", 2, 4),
    ],
)
def test_trouble_that_passes(fault: str, times: int, entries: int, job: Job) -> None:
    """What may be another answer later is asked for again. An entry whose answer was lost is in the log already: the
    file is signed anew, and what is sent is what was seen.
    """
    names = job.wheels(2)
    job.world.faults.set(fault, times)
    ours = job.publish({"attestations": "required"})
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded")), ours.raw
    assert sorted(job.attested) == sorted(names)
    assert job.world.faults.fired[fault] == times
    assert len(job.world.sigstore.entries) == entries
    assert len(job.world.sigstore.certificates) == 1


def test_a_log_that_has_everything(job: Job) -> None:
    """A log that has each entry already, however it is signed, is given up."""
    names = job.wheels(1)
    job.world.faults.set("rekor", json_answer({"code": 409, "message": "an equivalent entry already exists"}, 409))
    told = went_without(job, job.publish(), names, CANNOT)
    assert told["detail"] == f"{REKOR} says again and again that it has this very entry.{WITHOUT}"
    assert job.steps.count("entry") == 3


def test_one_of_several_fails(job: Job) -> None:
    """A release of which one file cannot be signed goes without attestations as a whole."""
    names = job.wheels(3)
    refused = json_answer({"code": 400, "message": "error processing entry: no"}, 400)
    job.world.faults.set("rekor", [None, refused, None])
    told = went_without(job, job.publish(), names, "Sigstore refuses to sign")
    assert told["detail"] == f"{REKOR} answered 400: error processing entry: no.{WITHOUT}"
    job.world.faults.set("rekor", [None, refused, None])
    job.world.pypi.files.clear()
    asked = job.steps.count("mint")
    assert job.publish({"attestations": "required"}).status == 2
    assert job.steps.count("mint") == asked


@pytest.mark.parametrize("service", ["fulcio", "rekor"])
def test_silence(service: str, job: Job) -> None:
    """Who never answers is waited for as long as `timeout` says."""
    names = job.wheels(1)
    job.world.faults.set(f"{service}-slow", True)
    ours = job.publish({"timeout": "1", "retries": "0"})
    told = went_without(job, ours, names, "No answer from Sigstore")
    host = {"fulcio": FULCIO, "rekor": REKOR}[service]
    assert told["detail"].startswith(f"No answer in time. {host} made no progress for the time that `timeout` allows.")
    assert job.world.faults.fired[f"{service}-slow"] == 1


def test_signing_that_hangs(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is an end to signing, even when nobody says no and something hangs."""
    monkeypatch.setattr(policy, "SECONDS", 0.4)
    names = job.wheels(2)
    job.world.faults.set("rekor-slow", True)
    told = went_without(job, job.publish(), names, "Signing takes too long")
    assert told["detail"] == f"Not everything was signed within 0 s.{WITHOUT}"


def test_patience_ends(job: Job) -> None:
    """A service that wants to be left alone for longer than signing may take is not waited for."""
    names = job.wheels(1)
    job.world.faults.set("rekor", Answer(503, headers={"Retry-After": "200"}))
    waits = Waits()
    told = went_without(job, job.publish(clock=waits.clock), names, "Signing takes too long")
    assert told["detail"] == f"Not everything was signed within 300 s. {REKOR} was asked last.{WITHOUT}"
    assert [199 < pause < 202 for pause in waits.pauses] == [True]


def test_a_bug(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody thought of is no reason to fail either."""

    def broken(_: object) -> NoReturn:
        raise ImportError("there is no such library")

    names = job.wheels(1)
    monkeypatch.setattr(signing, "_publisher", broken)
    told = went_without(job, job.publish(), names, CANNOT)
    assert "what it was installed with: ImportError: there is no such library." in told["detail"]
    job.world.pypi.files.clear()
    assert job.publish({"attestations": "required"}).titles == [CANNOT]


# Tokens and certificates that end


def test_a_certificate_that_ends(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate with little left is not used any more: another one is asked for, with another ID token."""
    waits = Waits()
    monkeypatch.setattr(job.world.sigstore, "_stage", _Later(job.world, waits))
    monkeypatch.setattr(attestations, "SIGNERS", 1)
    job.world.sigstore.certificate_life = 120
    names = job.wheels(3)
    job.world.faults.set("rekor", [Answer(503, headers={"Retry-After": "77"}), None, None])
    ours = job.publish({"attestations": "required"}, clock=waits.clock)
    assert (ours.status, sorted(job.attested)) == (0, sorted(names))
    serials = [entry.serial for entry in job.world.sigstore.entries]
    assert [each.serial for each in job.world.sigstore.certificates] == [serials[0], serials[1]]
    assert serials[1] == serials[2]
    assert job.audiences == ["sigstore", "sigstore", "pypi"]


def test_a_certificate_that_ends_in_the_log(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was made after the end of its certificate proves nothing: the file is signed anew."""
    waits = Waits()
    monkeypatch.setattr(job.world.sigstore, "_stage", _Later(job.world, waits))
    job.world.sigstore.certificate_life = 100
    (name,) = job.wheels(1)
    job.world.faults.set("rekor", [Answer(503, headers={"Retry-After": "130"}), None, None])
    ours = job.publish({"attestations": "required"}, clock=waits.clock)
    assert (ours.status, job.attested) == (0, [name]), ours.raw
    old, new = job.world.sigstore.entries
    assert [each.serial for each in job.world.sigstore.certificates] == [old.serial, new.serial]
    assert ours.report["files"][0]["attestations"] == [new.url]


class _Later:
    """A stage whose clock is that of a test."""

    def __init__(self, world: World, waits: Waits) -> None:
        self.journal, self.faults = world.journal, world.faults
        self.now: Callable[[], float] = lambda: waits.clock.now().timestamp()


@pytest.mark.parametrize("fault", ["github-expired", "fulcio"])
def test_an_id_token_that_ends(fault: str, job: Job) -> None:
    """An ID token that is not valid when it is to be used is replaced by another one."""
    (name,) = job.wheels(1)
    if fault == "fulcio":  # it ends while its certificate is waited for
        job.world.github.token_life = 100
        late = json_answer({"code": 16, "message": "There was an error processing the credentials"}, 401)
        job.world.faults.set("fulcio", [Answer(503, headers={"Retry-After": "120"}), late, None])
    else:
        job.world.faults.set(fault, 1)
    ours = job.publish({"attestations": "required"})
    assert (ours.status, job.attested) == (0, [name]), ours.raw
    assert job.audiences == ["sigstore", "sigstore", "pypi"]


def test_id_tokens_that_are_never_valid(job: Job) -> None:
    """A clock that is wrong is told of."""
    names = job.wheels(1)
    job.world.faults.set("github-expired", 3)
    ours = job.publish()
    told = went_without(job, ours, names, CANNOT)
    assert told["detail"].endswith(f"Is the clock of this machine right?{WITHOUT}")
    assert "certificate" not in job.steps
    assert job.audiences == ["sigstore", "sigstore", "sigstore", "pypi"]


def test_github_gives_no_id_token(job: Job) -> None:
    """That GitHub gives none to sign with is no reason to fail, if it gives one to publish with."""
    names = job.wheels(1)
    job.world.faults.set("github", [Answer(403), None])
    told = went_without(job, job.publish(), names, "GitHub gave no ID token")
    assert told["detail"].startswith("It was asked for one with the audience 'sigstore'")


# Who may not


def test_a_reusable_workflow(job: Job) -> None:
    """In a reusable workflow the certificate names another workflow than the publisher: nothing is signed."""
    called = "octo-org/octo-repo/.github/workflows/publish.yml@refs/tags/v1.0"
    job.world.github.claims["job_workflow_ref"] = called
    job.world.pypi.publishers[0].workflow = "publish.yml"
    names = job.wheels(1)
    stopped(job, job.publish({"attestations": "required"}), names, PUBLIC)
    ours = job.publish()
    assert (ours.status, ours.states) == (0, dict.fromkeys(names, "uploaded")), ours.raw
    told = remark(ours, PUBLIC)
    assert told["level"] == "warning"
    assert told["detail"] == (
        "The certificate would name the calling workflow, octo-org/octo-repo/.github/workflows/release.yml, and the "
        "publisher names the called one, octo-org/octo-repo/.github/workflows/publish.yml: the index would refuse "
        f"them.{WITHOUT}"
    )
    assert not job.attested
    assert {"certificate", "entry"}.isdisjoint(job.steps)
    job.publish({"attestations": "required"}, trust=None)
    assert not job.world.journal.to(HOST)


def test_a_token(job: Job) -> None:
    """With an API token nothing is attested on PyPI, and nobody is asked for anything that it would take."""
    names = job.wheels(1)
    inputs = {"password": job.world.pypi.api_token()}
    title = "No attestations: this is no trusted publisher"
    stopped(job, job.publish(inputs | {"attestations": "required"}), names, title)
    told = went_without(job, job.publish(inputs), names, title)
    assert told["detail"] == (
        f"PyPI takes attestations from trusted publishers only, and this run does not sign in as one.{WITHOUT}"
    )
    assert not job.world.github.issued
    assert set(job.steps) == {"read", "upload"}


def test_no_credential(job: Job) -> None:
    """Where there is nothing to sign in with, that is the one thing to be said."""
    names = job.wheels(1)
    env = job.world.github.job_without_permission()
    for mode in ("true", "required"):
        ours = job.publish({"attestations": mode}, env=env)
        assert ours.titles == ["No ID token: `id-token: write` is missing"]
        assert [each["level"] for each in ours.report["remarks"]] == ["error"]
        dry = job.publish({"attestations": mode, "dry-run": "true"}, env=env)
        assert (dry.status, dry.states) == (0, dict.fromkeys(names, "planned"))
        assert (len(dry.messages("warning")), len(dry.messages("notice"))) == (0, 1)


def test_a_dry_run(job: Job) -> None:
    """A dry run signs nothing, whatever is required: what is in the log is there for good."""
    names = job.release()
    for mode in ("true", "required"):
        ours = job.publish({"attestations": mode, "dry-run": "true"})
        assert (ours.status, ours.states) == (0, dict.fromkeys(names, "planned"))
        assert not ours.messages("warning")
    assert set(job.steps) == {"read"}
    inputs = {"password": job.world.pypi.api_token(), "dry-run": "true", "attestations": "required"}
    assert job.publish(inputs).titles == ["No attestations: this is no trusted publisher"]


def test_none_are_wanted(job: Job) -> None:
    """With `attestations: false` nobody of Sigstore's is asked, and nothing is said; its configuration is not read."""
    names = job.wheels(1)
    ours = job.publish({"attestations": "false", "sigstore-trust-config": "nowhere.json"})
    assert (ours.status, ours.states, ours.messages("warning")) == (0, {names[0]: "uploaded"}, [])
    assert not job.attested
    assert job.audiences == ["pypi"]


def test_another_index(job: Job) -> None:
    """Elsewhere files are signed only where that is required: then the index gets them, whatever it makes of them."""
    (name,) = job.wheels(1)
    index = job.world.discovery
    index.trust(job.world.github, "demo")
    inputs = {"repository-url": index.upload_url, "check-url": index.simple_url, "trusted-publishing": "always"}
    assert job.publish(inputs).status == 0
    assert not job.world.sigstore.certificates
    index.files.clear()
    sent: list[Sequence[str]] = []

    def noted(request: Request, answer: Answer) -> Answer:
        if request.target == "/upload/":
            sent.append(request.values("attestations"))
        return answer

    job.world.add(Front(index, noted))
    ours = job.publish(inputs | {"attestations": "required"})
    assert (ours.status, ours.states) == (0, {name: "uploaded"})
    ((field,),) = sent
    (entry,) = job.world.sigstore.entries
    assert json.loads(field)[0]["verification_material"]["transparency_entries"][0]["logIndex"] == str(entry.index)
    assert "mint" in job.steps[job.steps.index("entry") :]


# What is made public


@pytest.mark.parametrize("visibility", ["private", "internal", "public"])
def test_what_is_made_public(visibility: str, job: Job) -> None:
    """Of a repository that is not public a notice says what the public log tells of it."""
    job.world.github.claims["repository_visibility"] = visibility
    (name,) = job.wheels(1)
    ours = job.publish(trust=job.world.sigstore.trust_config(public_names=True))
    assert job.attested == [name]
    (entry,) = job.world.sigstore.entries
    assert ours.report["files"][0]["attestations"] == [f"https://search.sigstore.dev/?logIndex={entry.index}"]
    said = [each for each in ours.report["remarks"] if each["title"] == "Signing makes something public"]
    assert len(said) == (visibility != "public")
    for each in said:
        assert each["level"] == "notice"
        assert each["detail"] == (
            f"The repository octo-org/octo-repo is {visibility}, and each signature is in a public log for good, with "
            "the names of repository and workflow, the commit and the ref. `attestations: false` signs nothing."
        )


def test_a_private_log_makes_nothing_public(job: Job) -> None:
    """A private log is as private as who runs it wants."""
    job.world.github.claims["repository_visibility"] = "private"
    job.wheels(1)
    assert "makes something public" not in job.publish().raw


def test_what_was_made_public_is_said_even_then(job: Job) -> None:
    """What is in the log stays there, also where signing came to nothing in the end."""
    job.world.github.claims["repository_visibility"] = "private"
    job.wheels(1)
    job.world.faults.set("rekor-bad-set", True)
    ours = job.publish(trust=job.world.sigstore.trust_config(public_names=True))
    assert remark(ours, "Signing makes something public")
    assert remark(ours, "An attestation does not verify")


# Private Sigstore


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (None, "No such file or directory"),
        ("{", "it is no JSON object"),
        ("[]", "it is no JSON object"),
        ("[" * 100_000, "it is no JSON object"),
    ],
)
@pytest.mark.parametrize("mode", ["true", "required"])
def test_no_trust_configuration(text: str | None, seen: str, mode: str, job: Job) -> None:
    """A file that is not there or no JSON is a wrong input: nothing is sent."""
    names = job.wheels(1)
    if text is not None:
        (job.workspace / "mine.json").write_text(text, encoding="utf-8")
    inputs = {"attestations": mode, "sigstore-trust-config": "mine.json"}
    told = stopped(job, job.publish(inputs), names, "Input `sigstore-trust-config` is not usable")
    assert told["detail"] == f"`sigstore-trust-config` is 'mine.json': {seen}."
    assert set(job.steps) <= {"read"}


@pytest.mark.parametrize(
    ("trust", "seen"),
    [
        ("{}", "mediaType: Field required. "),
        ("rekor-2", "No valid Rekor transparency log found in signing config. "),
        ("other-media", "mediaType: Input should be 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json'. "),
    ],
)
def test_a_trust_configuration_of_no_use(trust: str, seen: str, job: Job) -> None:
    """One that is not understood, or has no log of the first version, is told of before anybody is asked to sign."""
    config = job.world.sigstore.trust_config
    text = {
        "{}": "{}",
        "rekor-2": config(rekor_versions=(2,)),
        "other-media": config().replace("clienttrustconfig.v0.1", "clienttrustconfig.v9"),
    }[trust]
    names = job.wheels(1)
    title = "Sigstore's configuration is not usable"
    stopped(job, job.publish({"attestations": "required"}, trust=text), names, title)
    told = went_without(job, job.publish(trust=text), names, title)
    assert told["detail"].startswith(seen)
    assert {"certificate", "entry"}.isdisjoint(job.steps)


def test_both_versions_of_the_log(job: Job) -> None:
    """Where a configuration prefers the second version of the log, the first one is asked: PEP 740 has no timestamp."""
    (name,) = job.wheels(1)
    job.publish({"attestations": "required"}, trust=job.world.sigstore.trust_config(rekor_versions=(2, 1)))
    assert job.attested == [name]
    assert job.steps.count("entry") == 1


@pytest.mark.parametrize("other_ca", [True, False])
def test_a_configuration_that_trusts_others(other_ca: bool, job: Job) -> None:
    """What does not verify here with what the user trusts is not sent."""
    names = job.wheels(1)
    trust = job.world.sigstore.trust_config(other_ca=other_ca, other_log=not other_ca)
    title = CANNOT if other_ca else "An attestation does not verify"
    stopped(job, job.publish({"attestations": "required"}, trust=trust), names, title)
    went_without(job, job.publish(trust=trust), names, title)


def test_a_certificate_for_somebody_else(job: Job) -> None:
    """A certificate that names another workflow than the publisher's would be refused: it is found before."""
    job.world.sigstore.workflow_file = "evil.yml"
    names = job.wheels(1)
    told = went_without(job, job.publish(), names, "An attestation does not verify")
    assert told["detail"].endswith(
        "does not match expected Trusted Publisher (release.yml @ octo-org/octo-repo) (it is that of https://github.com/"
        f"octo-org/octo-repo/.github/workflows/evil.yml@refs/tags/v1.0).{WITHOUT}"
    )
    assert job.steps.count("entry") == 1


def test_the_public_instance(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configuration the public instance is asked whom to trust, and signs."""
    tuf = Tuf(job.world, job.world.sigstore.trust_config(public_names=True))
    job.world.add(tuf)
    monkeypatch.setattr(signing, "Repository", lambda: Repository(tuf.url, tuf.root))
    names = job.release()
    ours = job.publish({"attestations": "required"}, trust=None)
    assert (ours.status, job.attested) == (0, names), ours.raw
    hosts = [entry.host for entry in job.world.journal.entries if "sigstore" in entry.host]
    assert hosts == [tuf.hosts[0]] * 6 + ["fulcio.sigstore.dev"] + ["rekor.sigstore.dev"] * 3


# The index refuses what is right here


def test_pypi_refuses_attestations(job: Job) -> None:
    """The file is sent once more without, the others go without from the first, and one warning quotes the index."""
    names = job.release()
    job.world.faults.set("attestations", True)
    job.world.pypi.attestation_refusal = "Not today"
    ours = job.publish()
    told = went_without(job, ours, names, "Published without attestations")
    assert told["detail"].startswith("PyPI refused the attestations: ")
    assert told["detail"].endswith(
        f"Invalid attestations supplied during upload: Not today. {names[0]} and 2 more went without."
    )
    assert told["tip"].startswith("None can be added to a file that is published.")
    assert [file["attempts"] for file in ours.report["files"]] == [2, 1, 1]
    assert job.world.faults.fired["attestations"] == 1
    assert job.steps.count("upload") == 4
    assert ours.raw.count(", without attestations)") == 3


def test_pypi_trusts_others(job: Job) -> None:
    """An index that verifies with other keys refuses in its own words, which are told."""
    names = job.wheels(1)
    other = job.world.sigstore.trust_config(other_log=True)
    job.world.pypi.trust_config = lambda: other
    told = went_without(job, job.publish(), names, "Published without attestations")
    assert "Could not verify the uploaded artifact using the included attestation" in told["detail"]
    assert told["detail"].endswith(f" {names[0]} went without.")


def test_pypi_refuses_what_is_required(job: Job) -> None:
    """Where attestations are required, nothing more is sent after the first refusal."""
    first, *others = job.release()
    job.world.faults.set("attestations", True)
    ours = job.publish({"attestations": "required"})
    assert ours.status == 1
    assert ours.states == {first: "failed"} | dict.fromkeys(others, "not-attempted")
    assert ours.titles == ["The index refuses the attestations"]
    assert "PyPI answered 400: Invalid attestations supplied during upload: " in ours.reasons[first]
    assert job.steps.count("upload") == 1
    assert not job.world.pypi.files


# Afterwards


def test_provenance_is_waited_for(job: Job) -> None:
    """With `wait-for-index` a file counts as visible when its attestations are served, too."""
    (name,) = job.wheels(1)
    job.world.faults.set("simple-provenance", [None, True, None])
    job.world.faults.set("provenance", 1)
    ours = job.publish({"wait-for-index": "60"})
    assert (ours.status, ours.messages("warning"), job.attested) == (0, [], [name])
    where = f"GET pypi.org/integrity/demo/1.0/{name}/provenance"
    assert [str(each) for each in job.world.journal.to("pypi.org") if str(each) == where] == [where] * 2
    assert job.world.faults.fired["provenance"] == 1


@pytest.mark.parametrize("fault", ["attestations-off", "simple-provenance", "provenance-off"])
def test_provenance_that_does_not_come(fault: str, job: Job) -> None:
    """An index that serves no provenance in time is told of; the file is published for all that."""
    (name,) = job.wheels(1)
    job.world.faults.set(fault, True)
    ours = job.publish({"wait-for-index": "20"})
    assert (ours.status, ours.states) == (0, {name: "uploaded"})
    told = remark(ours, LATE)
    assert told["detail"] == f"The index was not seen to serve {name} with its attestations within 20 s."


def test_an_answer_that_was_lost(job: Job) -> None:
    """A file whose answer was lost is known to be there by its hash, and to be attested by its provenance."""
    (name,) = job.wheels(1)
    job.world.faults.set("upload-lost", 1)
    ours = job.publish({"wait-for-index": "20"})
    assert (ours.status, ours.states, ours.messages("warning")) == (0, {name: "uploaded"}, [])
    assert job.attested == [name]
    assert len(ours.report["files"][0]["attestations"]) == 1


def test_others_attestations_are_not_ours(job: Job) -> None:
    """Provenance by somebody else's signature is not what was sent."""
    (name,) = job.wheels(1)

    def other(request: Request, answer: Answer) -> Answer:
        if request.target.startswith("/integrity/") and answer.status == 200:
            body = json.loads(bytes(answer.body))  # type: ignore[arg-type]
            body["attestation_bundles"][0]["attestations"][0]["envelope"]["signature"] = "AAAA"
            return json_answer(body)
        return answer

    job.world.add(Front(job.world.pypi, other))
    assert remark(job.publish({"wait-for-index": "20"}), LATE)["path"] == f"dist/{name}"
