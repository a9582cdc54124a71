"""The image index: one digest for all platforms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from release.errors import ReleaseError


def digest(raw: bytes, platforms: Mapping[str, str]) -> str:
    """Give the digest of an index, having seen that it joins exactly these images: digests by platform."""
    try:
        index = json.loads(raw)
        kind = index["mediaType"]
        found = [(_platform(each["platform"]), str(each["digest"])) for each in index["manifests"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"this is no image index: {error!r}") from None
    if kind not in (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ):
        raise ReleaseError(f"this is no image index, but {kind}")
    if sorted(found) != sorted(platforms.items()):
        raise ReleaseError(f"the index joins {sorted(found)}, and not {sorted(platforms.items())}")
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _platform(platform: Mapping[str, str]) -> str:
    # The variant of arm64 is v8 wherever there is one, and tools differ in whether they say so.
    return f"{platform['os']}/{platform['architecture']}"
