"""The form of Upload API 1.0: the fields in the spelling that servers read.

Source: https://docs.pypi.org/api/upload/ and the form of warehouse (2026-08). A name that a server does not know is
ignored without a word, so each is written out here.
"""

from __future__ import annotations

from collections.abc import Iterator

from entrypoint.distribution import Attested, Distribution
from entrypoint.metadata import LICENSE_FILE, CoreMetadata

FIELDS = {
    "metadata-version": "metadata_version",
    "name": "name",
    "version": "version",
    "summary": "summary",
    "description-content-type": "description_content_type",
    "keywords": "keywords",
    "home-page": "home_page",
    "download-url": "download_url",
    "author": "author",
    "author-email": "author_email",
    "maintainer": "maintainer",
    "maintainer-email": "maintainer_email",
    "license": "license",
    "license-expression": "license_expression",
    "license-file": "license_file",
    "classifier": "classifiers",
    "project-url": "project_urls",
    "requires-dist": "requires_dist",
    "provides-dist": "provides_dist",
    "obsoletes-dist": "obsoletes_dist",
    "requires-external": "requires_external",
    "requires": "requires",
    "provides": "provides",
    "obsoletes": "obsoletes",
    "provides-extra": "provides_extra",
    "dynamic": "dynamic",
    "platform": "platform",
    "supported-platform": "supported_platform",
    "import-name": "import_name",
    "import-namespace": "import_namespace",
}
"""Metadata field → form field. Some are plural where the metadata is not; one part per value."""
BLAKE2 = "blake2_256_digest"


def fields(distribution: Distribution, attested: Attested | None = None) -> list[tuple[str, str]]:
    """List the text parts of the upload that come before the file, in the order in which they are sent."""
    found, metadata = distribution.found, distribution.metadata
    return [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("filetype", "bdist_wheel" if found.kind == "wheel" else "sdist"),
        ("pyversion", found.python_tag),
        *_metadata(metadata),
        # GitLab's registry needs the field, even when it is empty (reported 2026).
        ("requires_python", metadata.one("requires-python")),
        ("description", metadata.description),
        ("sha256_digest", distribution.sha256),
        *([] if found.large else [(BLAKE2, distribution.blake2b_256)]),  # of a large one it comes after the file
        *([("attestations", attested.form_field)] if attested else []),
    ]


def _metadata(metadata: CoreMetadata) -> Iterator[tuple[str, str]]:
    for field, name in FIELDS.items():
        if field == "license-file" and metadata.version < LICENSE_FILE:
            continue
        for value in metadata.fields.get(field, ()):
            # Old build backends wrote UNKNOWN for what nobody had told them; PyPI deletes it too.
            if value.strip() not in {"", "UNKNOWN"}:
                yield name, value
