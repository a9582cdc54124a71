"""What is told of attestations, and what an index tells of them."""

from __future__ import annotations

import json
import threading
from typing import Any, cast

import httpx
import pytest

from entrypoint import credentials, simple
from entrypoint.inputs import Inputs
from entrypoint.report import FileRecord
from entrypoint.report import summary as told
from entrypoint.simple import RemoteFile
from tests.attestations.job import Job
from tests.distributions import make_wheel
from tests.peers.scripted import Answer, Request
from tests.trusted import Front, remark

WHERE = "https://index.example/integrity/demo/1.0/demo-1.0.tar.gz/provenance"


def records(number: int, *logs: str) -> list[FileRecord]:
    """Make so many records of attested files, as far as they matter here, and one of a file that is not attested."""
    files = [{"filename": f"demo-{each}.tar.gz", "attestations": list(logs)} for each in range(number)]
    return cast("list[FileRecord]", [*files, {"filename": "other", "attestations": []}])


def test_few_are_shown() -> None:
    """Without an attested file nothing is said; a few are listed, each with all that it has."""
    assert list(told._attested(records(0))) == []
    assert list(told._attested(records(1, "https://a.example/1", "https://a.example/2"))) == [
        "Attested: 1 file",
        "",
        "- `demo-0.tar.gz`: <https://a.example/1>, <https://a.example/2>",
        "",
    ]


def test_many_are_folded() -> None:
    """More than five are folded, of more than fifty the rest is counted."""
    assert next(told._attested(records(5, "https://a.example/1"))) == "Attested: 5 files"
    lines = list(told._attested(records(60, "https://a.example/1")))
    assert lines[:2] == ["<details><summary>Attested: 60 files</summary>", ""]
    assert lines[-4:] == ["- and 10 more: `publish-report.json` has them all", "", "</details>", ""]
    assert len(lines) == 2 + 50 + 4


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a.example/<b>", "https://a.example/ [x](y)"])
def test_only_web_addresses_are_links(url: str) -> None:
    """What a configuration makes of an address is shown as it stands, and leads nowhere if it is none."""
    line = list(told._attested(records(1, url)))[2]
    assert f"<{url}>" not in line
    assert "<b>" not in line
    assert "](y)" not in line.replace("\\]", "")


def test_authorities_are_loaded() -> None:
    """Sigstore is asked by TLS, also where the index is not."""
    assert credentials.urls(Inputs.read({}, {"attestations": "required"}), {}) == ("https://",)
    assert credentials.urls(Inputs.read({}, {"attestations": "true"}), {}) == ()


# What an index tells


def provenance(*signatures: Any) -> Any:
    attestations = [{"envelope": {"signature": each}} for each in signatures]
    return {
        "version": 1,
        "attestation_bundles": [{"attestations": attestations[:1]}, {"attestations": attestations[1:]}],
    }


def signatures(answer: httpx.Response, url: str | None = WHERE) -> frozenset[str] | None:
    """Read by which signatures a file is attested, from an index that answers so."""
    with httpx.Client(transport=httpx.MockTransport(lambda _: answer)) as http:
        return simple.signatures(http, RemoteFile("demo-1.0.tar.gz", WHERE, {}, provenance=url))


def test_signatures() -> None:
    """All signatures of all publishers are read, however their base64 is wrapped."""
    assert signatures(httpx.Response(200, json=provenance("AA==", "BB\nBB=\n"))) == frozenset({"AA==", "BBBB="})
    assert signatures(httpx.Response(200, json={"attestation_bundles": []})) == frozenset()


@pytest.mark.parametrize("status", [301, 403, 404, 500])
def test_no_provenance(status: int) -> None:
    """Another answer than 200 says nothing."""
    answer = httpx.Response(status, json=provenance("AA=="), headers={"Location": WHERE})
    assert signatures(answer) is None


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"null", b"{}", b"[" * 50_000, b'{"attestation_bundles": 1}', b'{"attestation_bundles": [1]}'),
        json.dumps(provenance(1)).encode(),
        json.dumps(provenance("AA==")).replace('"envelope"', '"envelop"').encode(),
    ],
)
def test_no_provenance_object(body: bytes) -> None:
    """A body that is none says nothing."""
    assert signatures(httpx.Response(200, content=body)) is None


@pytest.mark.parametrize("url", [None, "", "ftp://index.example/x", "/integrity/demo", "file:///etc/passwd"])
def test_no_address(url: str | None) -> None:
    """What is no web address is not asked."""
    assert signatures(httpx.Response(200, json=provenance("AA==")), url) is None


# Several projects


def test_what_was_sent_before_a_refusal_stays_attested(job: Job) -> None:
    """A file that was taken with its attestations counts as attested, though those of another project are refused while
    its answer is on its way.
    """
    job.world.pypi.publishers[0].projects.append("other")
    first = make_wheel(job.dist, "demo").name
    second = make_wheel(job.dist, "other").name
    refused = threading.Event()

    def late(request: Request, answer: Answer) -> Answer:
        if request.target == "/legacy/":
            if answer.status == 400:
                refused.set()
            refused.wait(10)
        return answer

    job.world.add(Front(job.world.pypi, late))
    job.world.faults.set("attestations", [None, True])
    ours = job.publish()
    assert (ours.status, ours.states) == (0, {first: "uploaded", second: "uploaded"})
    (attested,) = job.attested
    (other,) = {first, second} - {attested}
    assert {file["filename"]: len(file["attestations"]) for file in ours.report["files"]} == {attested: 1, other: 0}
    assert remark(ours, "Published without attestations")["detail"].endswith(f" {other} went without.")
