"""Rules about fields of the metadata that PyPI looks at, over and above the specification (warehouse, 2026-08)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from entrypoint.archive import Contents
from entrypoint.distribution import Distribution
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.metadata import CoreMetadata
from entrypoint.rule import Rule, some

SUMMARY_LIMIT = 512
LABEL_LIMIT = 32
"""Characters that PyPI takes."""

NEWER = Rule(
    "metadata-version",
    "Metadata newer than the index is known to take",
    "Nothing, if the index takes it; otherwise build with an older backend.",
    pypi="warning",
    elsewhere="warning",
)
LOCAL = Rule(
    "local-version",
    "A local version",
    "Remove the local part (`+…`) of the version: it is for builds that are not published.",
    pypi="error",
    elsewhere=None,
)
SUMMARY = Rule(
    "summary",
    "The summary is too long",
    "Shorten `description` in `[project]` to one line.",
    pypi="error",
    elsewhere=None,
)
DIRECT = Rule(
    "direct-dependency",
    "A dependency on a URL",
    "Depend on a release of the package instead, or put the URL into a dependency group, which is not published.",
    pypi="error",
    elsewhere=None,
)
LICENSE = Rule(
    "license",
    "License beside License-Expression",
    'Keep the expression: `license = "MIT"` in `[project]`, and no `License ::` classifiers (PEP 639).',
    pypi="error",
    elsewhere=None,
)
URLS = Rule(
    "project-url",
    "A URL that is not taken",
    f"Correct `[project.urls]`: a label of up to {LABEL_LIMIT} characters, and a URL with http:// or https://.",
    pypi="error",
    elsewhere=None,
)
ADDRESS = Rule(
    "e-mail",
    "An e-mail address that is not taken",
    "Correct `authors` or `maintainers` in `[project]`; an address that exists only inside a network is better left "
    "out.",
    pypi="warning",
    elsewhere=None,
)
PRIVATE = Rule(
    "private",
    "This project says that it is not to be published",
    "Remove the `Private ::` classifier if it is to be published after all.",
    pypi="error",
    elsewhere=None,
)
CLASSIFIER = Rule(
    "classifier",
    "A classifier that PyPI is not known to take",
    "Correct the classifier: https://pypi.org/classifiers/ lists all that there are. One that is newer than this "
    "program is fine.",
    pypi="warning",
    elsewhere=None,
)
DEPRECATED = Rule(
    "classifier-deprecated",
    "A classifier that is deprecated",
    "Replace it, or leave it out.",
    pypi="warning",
    elsewhere=None,
)


def newer(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Compare Metadata-Version with the newest that the index is known to take."""
    newest = tuple(map(int, index.newest_metadata.split("."))) if index.newest_metadata else ()
    if newest and distribution.metadata.version > newest:
        written = distribution.metadata.one("metadata-version").strip()
        seen = (
            f"Metadata-Version {written}; {index.title} was known to take {index.newest_metadata} at most when this "
            "program was written. It is sent; the index decides."
        )
        yield from NEWER.broken(index, seen, f"{written!r} is not a valid metadata version.")


def form(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Look at what PyPI refuses though the specification allows it."""
    core = distribution.metadata
    version, summary, expression = (core.one(field).strip() for field in ("version", "summary", "license-expression"))
    if "+" in version:
        said = f"The use of local versions in {version!r} is not allowed."
        yield from LOCAL.broken(index, f"The version is {version}.", said)
    if len(summary) > SUMMARY_LIMIT:
        said = f"'summary' field must be {SUMMARY_LIMIT} characters or less."
        yield from SUMMARY.broken(index, f"It has {len(summary)} characters.", said)
    if expression and core.one("license").strip():
        said = "License is deprecated when License-Expression is present. Only License-Expression should be present."
        yield from LICENSE.broken(index, f"License-Expression is {expression!r}.", said)
    if direct := [each for each in core.fields.get("requires-dist", ()) if _is_direct(each)]:
        said = f"Can't have direct dependency: {direct[0]}"
        yield from DIRECT.broken(index, f"Requires-Dist: {some(map(repr, direct))}.", said)


def urls(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Look at the URLs and their labels."""
    if faults := list(_bad_urls(distribution.metadata)):
        yield from URLS.broken(index, f"{some(seen for seen, _ in faults)}.", faults[0][1])


def addresses(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Check the first address of each e-mail field, as PyPI does."""
    if not index.warehouse:
        return
    for field in ("author-email", "maintainer-email"):
        if fault := _address_fault(distribution.metadata.one(field)):
            address, why = fault
            said = f"{address!r} is not a valid email address: {why}"
            yield from ADDRESS.broken(index, f"{field.title()}: {address!r}: {why}", said)


def classifiers(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Compare the classifiers with PyPI's list, which is a package."""
    given = dict.fromkeys(each.strip() for each in distribution.metadata.fields.get("classifier", ()))
    if not index.warehouse or not given:
        return
    from trove_classifiers import classifiers as known  # noqa: PLC0415 - not needed off PyPI
    from trove_classifiers import deprecated_classifiers as deprecated  # noqa: PLC0415 - same

    private = [each for each in given if each.lower().startswith("private ::")]
    if private:
        yield from PRIVATE.broken(index, f"{some(private)}.", f"{private[0]!r} is not a valid classifier.")
    if unknown := [each for each in given if each not in known and each not in deprecated and each not in private]:
        seen = f"{some(map(repr, unknown))}: not in PyPI's list of {_list_date()}. It is sent; the index decides."
        yield from CLASSIFIER.broken(index, seen, f"{unknown[0]!r} is not a valid classifier.")
    if old := [each for each in given if each in deprecated]:
        instead = [f", use one of {deprecated[each]} instead" if deprecated[each] else "" for each in old]
        seen = some(f"{each!r} is deprecated{use}" for each, use in zip(old, instead, strict=True))
        yield from DEPRECATED.broken(index, f"{seen}.", f"The classifier {old[0]!r} has been deprecated{instead[0]}.")


def _is_direct(requirement: str) -> bool:
    """Whether a requirement has the form `name[extra] @ URL` (PEP 508)."""
    return re.match(r"\s*[\w.-]+\s*(\[[^\]]*\]\s*)?@", requirement) is not None


def _bad_urls(core: CoreMetadata) -> Iterator[tuple[str, str]]:
    """Yield what is seen and what PyPI says to it, in the order in which it looks."""
    for field in ("home-page", "download-url"):
        url = core.one(field).strip()
        if url and url != "UNKNOWN" and not _is_web(url):
            yield f"{field.title()} is {url!r}", f"{url!r} is not a valid url."
    for each in core.fields.get("project-url", ()):
        label, _, url = (part.strip() for part in each.partition(","))
        if not label:
            yield f"Project-URL {each!r} has no label", "Must have a label"
        elif len(label) > LABEL_LIMIT:
            said = f"{label!r} must be {LABEL_LIMIT} characters or less."
            yield f"the label {label!r} has {len(label)} characters", said
        elif not url:
            yield f"Project-URL {each!r} has no URL", "Must have a URL"
        elif not _is_web(url):
            yield f"Project-URL {label} is {url!r}", f"{url!r} is not a valid url"


def _is_web(url: str) -> bool:
    """Whether PyPI may take a URL; it asks for no host."""
    return url.lower().startswith(("http:", "https:"))


def _address_fault(text: str) -> tuple[str, str] | None:
    from email.utils import parseaddr  # noqa: PLC0415 - only PyPI looks at addresses

    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - same

    try:
        address = parseaddr(text)[1]
    except RecursionError:  # comments in comments
        return text.strip(), "It cannot be read."
    try:
        if address and address != "UNKNOWN":
            validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        return address, str(error)
    return None


def _list_date() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - only where something is not in the list

    return ".".join(version("trove-classifiers").split(".")[:3])
