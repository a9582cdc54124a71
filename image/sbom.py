"""The bill of materials of the image, as SPDX 2.3 in JSON: read from what was laid out, not from what was asked for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from urllib.parse import quote

UNKNOWN = "NOASSERTION"

LICENCE_FILE = re.compile(r"\.dist-info/(licenses/.+|[^/]*(licen[cs]e|copying|notice)[^/]*)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Package:
    """Something that came as a whole, and can be looked up by its purl."""

    kind: str
    name: str
    version: str
    purl: str
    licence: str = UNKNOWN
    """SPDX expression, where its metadata has one."""
    licence_comment: str = ""
    """Where its licences are, and what else it says of them."""
    supplier: str = UNKNOWN
    comment: str = ""

    @property
    def identifier(self) -> str:
        """What other parts of the document call it."""
        return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{self.kind}-{self.name}")


def debian(status: Iterable[str], release: Mapping[str, str]) -> Iterator[Package]:
    """Read packages of Debian's from their paragraphs of dpkg's status; `release` is what os-release says."""
    for paragraph in status:
        fields: dict[str, str] = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", paragraph, re.MULTILINE))
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
        # "Source: openssl (1.2)" has the version where it is another one
        source, _, source_version = fields.get("Source", name).partition(" ")
        upstream = f"{source}@{source_version.strip('()')}" if source_version else source
        query = f"arch={architecture}&distro={release['ID']}-{release['VERSION_ID']}"
        if upstream != name:
            query += f"&upstream={_part(upstream)}"
        yield Package(
            "deb",
            name,
            version,
            f"pkg:deb/{release['ID']}/{_part(name)}@{_part(version)}?{query}",
            supplier=f"Organization: {fields['Maintainer']}",
            licence_comment=f"/usr/share/doc/{name}/copyright",
        )


def wheels(distributions: Iterable[Distribution], root: Path) -> Iterator[Package]:
    """Read installed distributions; what some of them are made of is in bills of their own (PEP 770)."""
    for found in distributions:
        name = re.sub(r"[-_.]+", "-", found.name).lower()
        files = [f"/{Path(str(path.locate())).resolve().relative_to(root.resolve())}" for path in found.files or ()]
        texts = sorted(file for file in files if LICENCE_FILE.search(file))
        said = [each for each in found.metadata.get_all("Classifier") or () if each.startswith("License ::")]
        bills = sorted(file for file in files if ".dist-info/sboms/" in file)
        yield Package(
            "pypi",
            name,
            found.version,
            f"pkg:pypi/{_part(name)}@{_part(found.version)}",
            licence=(found.metadata.get_all("License-Expression") or [UNKNOWN])[0],
            licence_comment="; ".join((*said, *texts)),
            comment=f"What it is made of: {', '.join(bills)}" if bills else "",
        )


def document(program: Package, parts: Sequence[Package], made: datetime) -> dict[str, Any]:
    """Put the bill together. Equal contents give an equal document, but for the time."""
    everything = [program, *sorted(parts, key=lambda part: (part.kind, part.name))]
    packages = [_package(each) for each in everything]
    digest = hashlib.sha256(json.dumps(packages).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{program.name}-{program.version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{program.name}-{program.version}-{digest}",
        "creationInfo": {
            "created": made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: {program.name}-image.sbom"],
        },
        "documentDescribes": [program.identifier],
        "packages": packages,
        "relationships": [
            _related("SPDXRef-DOCUMENT", "DESCRIBES", program.identifier),
            *(_related(program.identifier, "CONTAINS", part.identifier) for part in everything[1:]),
        ],
    }


def _package(package: Package) -> dict[str, Any]:
    return {
        "SPDXID": package.identifier,
        "name": package.name,
        "versionInfo": package.version,
        "supplier": package.supplier,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": package.licence,
        "copyrightText": UNKNOWN,
        **({"licenseComments": package.licence_comment} if package.licence_comment else {}),
        **({"comment": package.comment} if package.comment else {}),
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": package.purl}
        ],
    }


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _part(text: str) -> str:
    return quote(text, safe="~:")
