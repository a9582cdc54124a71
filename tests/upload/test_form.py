"""The form: what servers read, in their spelling."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.metadata import RawMetadata

from entrypoint.distribution import collect, read
from entrypoint.upload.form import FIELDS, fields
from tests.distributions import make_sdist, make_wheel, samples
from tests.plans import GENERIC

REPEATED = {
    "classifiers",
    "project_urls",
    "requires_dist",
    "provides_dist",
    "obsoletes_dist",
    "requires_external",
    "requires",
    "provides",
    "obsoletes",
    "provides_extra",
    "dynamic",
    "platform",
    "supported_platform",
    "license_file",
    "import_name",
    "import_namespace",
}
"""Fields of which warehouse reads every value (2026-08)."""


def form(path: Path) -> list[tuple[str, str]]:
    """Give the text parts for a file."""
    (found,) = collect([path.name], path.parent).found
    return fields(read(found, GENERIC)[0])


def values(parts: list[tuple[str, str]], name: str) -> list[str]:
    """Give what a form has under a name."""
    return [value for given, value in parts if given == name]


@pytest.mark.parametrize("name", samples())
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_every_kind_of_metadata(name: str, kind: str, tmp_path: Path) -> None:
    """Whatever the metadata: control fields, digests and names are there once, and only repeatable fields repeat."""
    sample = samples()[name]
    parts = form(sample.wheel(tmp_path) if kind == "wheel" else sample.sdist(tmp_path))
    assert parts[:2] == [(":action", "file_upload"), ("protocol_version", "1")]
    assert values(parts, "filetype") == ["bdist_wheel" if kind == "wheel" else "sdist"]
    assert values(parts, "pyversion") == ["py3" if kind == "wheel" else "source"]
    assert values(parts, "name") == [sample.name]
    assert values(parts, "version") == [sample.version]
    assert len(values(parts, "metadata_version")) == 1
    assert len(values(parts, "requires_python")) == 1
    assert [len(value) for name in ("sha256_digest", "blake2_256_digest") for value in values(parts, name)] == [64, 64]
    names = [given for given, _ in parts]
    assert {given for given in names if names.count(given) > 1} <= REPEATED
    assert not {"license_files", "import_names", "classifier", "project_url", "md5_digest", "comment"} & set(names)


def test_every_field(tmp_path: Path) -> None:
    """Each field of the specification arrives under the name that servers read, to the letter."""
    lines = {
        "Summary": "A summary",
        "Description-Content-Type": "text/markdown",
        "Keywords": "a,b, c  d",
        "Home-page": "https://a.example/",
        "Download-URL": "https://b.example/",
        "Author": "日本 🎉",
        "Author-email": "Ann <ann@example.com>",
        "Maintainer": "Mary",
        "Maintainer-email": "mary@example.com",
        "License-Expression": "MIT",
        "License-File": "LICENSE",
        "Classifier": "Private :: Do Not Upload",
        "Project-URL": "Home, https://c.example/",
        "Requires-Dist": "x>1",
        "Requires-Python": ">=3.8",
        "Requires-External": "libc",
        "Provides-Extra": "tests",
        "Provides-Dist": "y",
        "Obsoletes-Dist": "z",
        "Dynamic": "summary",
        "Platform": "linux",
        "Supported-Platform": "RedHat 7.2",
        "Import-Name": "demo",
        "Import-Namespace": "space",
    }
    expected = {
        "summary": "A summary",
        "description_content_type": "text/markdown",
        "keywords": "a,b, c  d",
        "home_page": "https://a.example/",
        "download_url": "https://b.example/",
        "author": "日本 🎉",
        "author_email": "Ann <ann@example.com>",
        "maintainer": "Mary",
        "maintainer_email": "mary@example.com",
        "license_expression": "MIT",
        "license_file": "LICENSE",
        "classifiers": "Private :: Do Not Upload",
        "project_urls": "Home, https://c.example/",
        "requires_dist": "x>1",
        "requires_python": ">=3.8",
        "requires_external": "libc",
        "provides_extra": "tests",
        "provides_dist": "y",
        "obsoletes_dist": "z",
        "dynamic": "summary",
        "platform": "linux",
        "supported_platform": "RedHat 7.2",
        "import_name": "demo",
        "import_namespace": "space",
    }
    parts = form(make_wheel(tmp_path, headers=list(lines.items()), metadata_version="2.5"))
    assert {name: values(parts, name) for name in expected} == {name: [value] for name, value in expected.items()}


@pytest.mark.parametrize("field", ["Requires", "Provides", "Obsoletes"])
def test_fields_of_metadata_1_1(field: str, tmp_path: Path) -> None:
    """The fields of Metadata 1.1 are sent, too."""
    parts = form(make_sdist(tmp_path, headers=[(field, "sys")], metadata_version="1.1"))
    assert values(parts, field.lower()) == ["sys"]


def test_nothing_is_merged(tmp_path: Path) -> None:
    """Every line is sent: two URLs of one label, two keywords, two summaries, for the index to judge."""
    headers = [("Project-URL", "A, https://a.example/"), ("Project-URL", "A, https://b.example/"), ("Summary", "x")] * 2
    parts = form(make_wheel(tmp_path, headers=headers))
    assert values(parts, "project_urls") == ["A, https://a.example/", "A, https://b.example/"] * 2
    assert values(parts, "summary") == ["x", "x"]


def test_unknown_is_nothing(tmp_path: Path) -> None:
    """What an old build backend wrote for an empty field is not sent; a project may still be called so."""
    headers = [("Summary", "UNKNOWN"), ("Platform", "UNKNOWN"), ("Platform", "linux"), ("Home-page", "")]
    parts = form(make_wheel(tmp_path, headers=headers))
    assert values(parts, "summary") == []
    assert values(parts, "home_page") == []
    assert values(parts, "platform") == ["linux"]


@pytest.mark.parametrize(("version", "sent"), [("2.1", []), ("2.3", []), ("2.4", ["LICENSE"]), ("2.5", ["LICENSE"])])
def test_license_file(version: str, sent: list[str], tmp_path: Path) -> None:
    """License-File is left out below Metadata 2.4, where PyPI refuses it."""
    parts = form(make_wheel(tmp_path, headers=[("License-File", "LICENSE")], metadata_version=version))
    assert values(parts, "license_file") == sent


@pytest.mark.parametrize("text", ["# Title\r\n\r\nline\r\n", "plain\n\n  indented\n", "🎉 日本\n", "a: b\n\nc: d\n"])
def test_the_description_is_verbatim(text: str, tmp_path: Path) -> None:
    """The description is sent byte for byte, line ends and all."""
    assert values(form(make_wheel(tmp_path, description=text)), "description") == [text]


def test_a_description_header(tmp_path: Path) -> None:
    """Without a body the description is the field of that name, unfolded."""
    parts = form(make_sdist(tmp_path, headers=[("Description", "One\n        Two")], metadata_version="1.1"))
    assert values(parts, "description") == ["One\nTwo"]


def test_no_field_is_forgotten() -> None:
    """When packaging learns a field of a newer specification, this program has to learn it, too."""
    plural = {"classifiers": "classifier", "platforms": "platform", "supported_platforms": "supported-platform"}
    plural |= {"project_urls": "project-url", "license_files": "license-file"}
    plural |= {"import_names": "import-name", "import_namespaces": "import-namespace"}
    known = {plural.get(key, key.replace("_", "-")) for key in RawMetadata.__annotations__}
    assert known - set(FIELDS) == {"description", "requires-python"}  # which are sent apart
