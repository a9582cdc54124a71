"""The bill of materials: what packages say of themselves, in SPDX's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import pytest

from image.sbom import Package, debian, document, wheels

RELEASE = {"ID": "debian", "VERSION_ID": "13"}
MADE = datetime(2026, 11, 25, 12, tzinfo=UTC)
PROGRAM = Package("generic", "program", "1.2", "pkg:generic/program@1.2", "Apache-2.0")


def paragraph(**fields: str) -> str:
    """Write a paragraph of dpkg's status, with the fields that every one has."""
    every = {"Package": "zlib1g", "Version": "1:1.3+x-1", "Architecture": "arm64", "Maintainer": "Z <z@example.org>"}
    lines = [f"{name}: {value}" for name, value in (every | fields).items()]
    return "\n".join([*lines, "Description: one line", " Version: 9 is what a description may say", ""])


def installed(site: Path, metadata: str, files: Mapping[str, str]) -> Distribution:
    """Lay out a distribution as an installer does."""
    info = site / "Some_Thing-1.dist-info"
    for name, text in {"METADATA": metadata, **files}.items():
        (info / name).parent.mkdir(parents=True, exist_ok=True)
        (info / name).write_text(text)
    (info / "RECORD").write_text("".join(f"{info.name}/{name},,\n" for name in ("METADATA", "RECORD", *files)))
    return next(iter(distributions(path=[str(site)])))


@pytest.mark.parametrize(
    ("source", "upstream"),
    [
        ({}, ""),
        ({"Source": "zlib"}, "&upstream=zlib"),
        ({"Source": "zlib (1:1.3~2)"}, "&upstream=zlib%401:1.3~2"),
        ({"Source": "zlib1g"}, ""),
    ],
    ids=["none", "other", "other version", "same"],
)
def test_debian(source: Mapping[str, str], upstream: str) -> None:
    """A package of Debian's is known by a purl with architecture, release and the source that advisories name."""
    (package,) = debian([paragraph(**source)], RELEASE)
    assert (package.name, package.version) == ("zlib1g", "1:1.3+x-1")
    assert package.purl == f"pkg:deb/debian/zlib1g@1:1.3%2Bx-1?arch=arm64&distro=debian-13{upstream}"
    assert package.licence_comment == "/usr/share/doc/zlib1g/copyright"
    assert package.supplier == "Organization: Z <z@example.org>"


def test_a_distribution(tmp_path: Path) -> None:
    """A distribution is known by its normalised name, its expression, its licence files and its own bill."""
    site = tmp_path / "opt" / "site-packages"
    metadata = "Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1\nLicense-Expression: MIT\n"
    found = installed(site, metadata, {"licenses/a/LICENSE": "free", "sboms/rust.json": "{}"})
    (package,) = wheels([found], tmp_path)
    assert (package.name, package.purl, package.licence) == ("some-thing", "pkg:pypi/some-thing@1", "MIT")
    assert package.licence_comment == "/opt/site-packages/Some_Thing-1.dist-info/licenses/a/LICENSE"
    assert package.comment == "What it is made of: /opt/site-packages/Some_Thing-1.dist-info/sboms/rust.json"


def test_a_distribution_of_before(tmp_path: Path) -> None:
    """Without an expression nothing is asserted, and what the classifiers say stands beside it."""
    metadata = "Metadata-Version: 2.1\nName: x\nVersion: 1\nClassifier: License :: OSI Approved :: MIT License\n"
    (package,) = wheels([installed(tmp_path, metadata, {"COPYING": "free"})], tmp_path)
    assert (package.licence, package.comment) == ("NOASSERTION", "")
    assert package.licence_comment == "License :: OSI Approved :: MIT License; /Some_Thing-1.dist-info/COPYING"


def made(*parts: Package, at: datetime = MADE) -> dict[str, Any]:
    return document(PROGRAM, parts, at)


def test_a_document() -> None:
    """It describes the program, which contains all else, in an order that does not depend on how it was found."""
    one, two = (
        Package("pypi", "a_b", "1", "pkg:pypi/a-b@1"),
        Package("deb", "libc++1", "2", "pkg:deb/debian/libc%2B%2B1@2"),
    )
    bill = made(one, two)
    assert bill == made(two, one)
    names = [package["SPDXID"] for package in bill["packages"]]
    assert names == ["SPDXRef-generic-program", "SPDXRef-deb-libc--1", "SPDXRef-pypi-a-b"]
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", name) for name in names)
    relations = [
        (each["spdxElementId"], each["relationshipType"], each["relatedSpdxElement"]) for each in bill["relationships"]
    ]
    assert relations[0] == ("SPDXRef-DOCUMENT", "DESCRIBES", names[0])
    assert relations[1:] == [(names[0], "CONTAINS", name) for name in names[1:]]


def test_its_name_is_that_of_its_contents() -> None:
    """Another version of anything makes another namespace; another time does not."""
    one, newer = Package("pypi", "a", "1", "pkg:pypi/a@1"), Package("pypi", "a", "2", "pkg:pypi/a@2")
    assert made(one)["documentNamespace"] != made(newer)["documentNamespace"]
    assert made(one)["documentNamespace"] == made(one, at=MADE + timedelta(days=1))["documentNamespace"]


def test_its_time_is_utc() -> None:
    """SPDX knows UTC only."""
    bill = made(at=datetime(2026, 11, 25, 1, tzinfo=timezone(timedelta(hours=2))))
    assert bill["creationInfo"]["created"] == "2026-11-24T23:00:00Z"
