"""The engine: every file has an outcome, and a failure reaches as far as its reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from entrypoint.credentials import Credential
from entrypoint.distribution import collect
from entrypoint.index import locate
from entrypoint.plan import make
from entrypoint.upload import Api, Outcome, publish
from tests.distributions import make_sdist, make_wheel

FILES = ["a-1.0-py3-none-any.whl", "a-1.0.tar.gz", "a-2.0-py3-none-any.whl", "b-1.0-py3-none-any.whl", "b-1.0.tar.gz"]


def outcomes(folder: Path, answers: Mapping[str, int]) -> tuple[dict[str, str], list[str]]:
    """Publish five files of two projects; give states by file name, and the order of what was sent."""
    for name, version in (("a", "1.0"), ("a", "2.0"), ("b", "1.0")):
        make_wheel(folder, name, version)
        if version == "1.0":
            make_sdist(folder, name, version)

    def answer(request: httpx.Request) -> httpx.Response:
        body = request.read()
        name = next(file for file in FILES if f'filename="{file}"'.encode() in body)
        return httpx.Response(answers.get(name, 200))

    index = locate(name=None, url="https://index.example/upload/", workspace=folder).index
    plan = make(index, collect(["."], folder).found, strict=False, verify_metadata=True)
    ended: list[Outcome] = []
    started: list[str] = []
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        api = Api(index, http, Credential(index.origin, "test", None))
        publish(plan, api, lambda each: started.append(each.found.filename), ended.append)
    assert [each.distribution.found.filename for each in ended] == FILES
    assert all(each.reason for each in ended if each.state == "not-attempted")
    assert started == [each.distribution.found.filename for each in ended if each.state != "not-attempted"]
    return {each.distribution.found.filename: each.state for each in ended}, started


@pytest.mark.parametrize(
    ("answers", "not_uploaded"),
    [
        ({}, {}),
        ({FILES[0]: 400}, {FILES[0]: "failed"}),
        ({FILES[0]: 503}, {FILES[0]: "failed"}),
        ({FILES[0]: 413, FILES[3]: 409}, {FILES[0]: "failed", FILES[3]: "failed"}),
        ({FILES[0]: 403}, {FILES[0]: "failed", FILES[1]: "not-attempted", FILES[2]: "not-attempted"}),
        ({FILES[2]: 403, FILES[3]: 403}, {FILES[2]: "failed", FILES[3]: "failed", FILES[4]: "not-attempted"}),
        ({FILES[1]: 401}, {FILES[1]: "failed", **dict.fromkeys(FILES[2:], "not-attempted")}),
        ({FILES[0]: 404}, {FILES[0]: "failed", **dict.fromkeys(FILES[1:], "not-attempted")}),
    ],
)
def test_reach(answers: Mapping[str, int], not_uploaded: Mapping[str, str], tmp_path: Path) -> None:
    """A refusal stops nothing else; a missing permission its project, in all versions; a wrong credential all."""
    states, _ = outcomes(tmp_path, answers)
    assert states == {**dict.fromkeys(FILES, "uploaded"), **not_uploaded}
