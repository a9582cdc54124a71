"""What an answer means to the person who has to act: a title, what was seen, what to do."""

from __future__ import annotations

from typing import NamedTuple

from entrypoint.errors import CredentialError, PublishError, Refused, Unavailable
from entrypoint.index import Index, Verdict, redacted
from entrypoint.plan import bytes_shown
from entrypoint.upload.answer import Answer
from entrypoint.upload.outcome import Scope


class Meaning(NamedTuple):
    """What a verdict stands for when it keeps a file from being published."""

    kind: type[PublishError]
    scope: Scope
    title: str
    tip: str


_MISNAMED = ("The index does not take the project name", "Choose another project name.")

MEANINGS = {
    Verdict.UNCONFIRMED: Meaning(
        Refused,
        Scope.FILE,
        "The index did not confirm the upload",
        "Check that the URL is the index's upload URL, then look whether it shows the file.",
    ),
    Verdict.EXISTS: Meaning(
        Refused,
        Scope.FILE,
        "The index already has a file of this name",
        "If it is the same file, nothing is left to be done. If not, give the release a new version: a published file "
        "is not replaced. `check-url` lets the next run compare the two.",
    ),
    Verdict.USED: Meaning(
        Refused,
        Scope.FILE,
        "The file name was used before",
        "Give the release a new version: the name of a deleted file is never free again.",
    ),
    Verdict.RACED: Meaning(Refused, Scope.PROJECT, *_MISNAMED),
    Verdict.MISNAMED: Meaning(Refused, Scope.PROJECT, *_MISNAMED),
    Verdict.REFUSED: Meaning(
        Refused, Scope.FILE, "The index refused the file", "Correct what it names, build again and run the job again."
    ),
    Verdict.UNAUTHORIZED: Meaning(
        CredentialError,
        Scope.INDEX,
        "The index does not take the credential",
        "Check that the secret is set, belongs to this index, and has not expired or been revoked.",
    ),
    Verdict.FORBIDDEN: Meaning(
        CredentialError,
        Scope.PROJECT,
        "No permission to upload to this project",
        "Check the user name and the password or token, and that it may upload to this very project.",
    ),
    Verdict.MISDIRECTED: Meaning(
        Refused,
        Scope.INDEX,
        "This is not an upload URL",
        "Give the URL that takes uploads, not that of the simple index or of a project's page; "
        "docs/indexes.md shows the form for each index.",
    ),
    Verdict.TOO_LARGE: Meaning(
        Refused,
        Scope.FILE,
        "The file is too large for the index",
        "Make it smaller, or ask whoever runs the index, or the proxy before it, to raise the limit.",
    ),
    Verdict.UNATTESTED: Meaning(
        Refused,
        Scope.INDEX,
        "The index refuses the attestations",
        "`attestations` is 'required', so nothing is sent without. See what it names; `attestations: true` sends the "
        "files without them.",
    ),
    Verdict.CLOSED: Meaning(
        Unavailable,
        Scope.PROJECT,
        "The index takes no uploads now",
        "See its status page, and run the job again later.",
    ),
    Verdict.UNAVAILABLE: Meaning(
        Unavailable,
        Scope.FILE,
        "The index could not answer",
        "Run the job again: it finds out what the index has, and sends what is missing.",
    ),
}
"""For every verdict that is no success."""

TIPS = (
    ("only one sdist may be uploaded", "Remove one of the two sdists, or release a new version."),
    ("older than 14 days", "Release a new version: PyPI closes a release 14 days after its first file."),
    ("is not a valid metadata version", "Build with an older build backend, or wait until the index knows it."),
    ("use of local versions", "Remove the local part (`+…`) of the version; PyPI takes public versions only."),
    ("is not a valid classifier", "Correct the classifier: https://pypi.org/classifiers/ lists all that there are."),
    ("has been deprecated", "Replace the classifier as the answer says."),
    ("can't have direct dependency", "Depend on a release of the package instead of a URL."),
    ("unsupported platform tag", "Repair the wheel with auditwheel or delocate, or build it with cibuildwheel."),
    ("description failed to render", "Run `twine check --strict` on the file: it shows the line."),
    ("should contain the normalized project name", "Build with a current build backend: it normalises file names."),
    ("license-file", "List only licence files that are in the distribution, with paths relative to its root."),
    ("isn't allowed to upload to project", "Make the token's user an owner or maintainer, or correct the name."),
    ("is not valid for project", "Use a token whose scope holds this project."),
    ("invalid or non-existent authentication", "Check that the token is of this index: TestPyPI has its own."),
    ("username/password authentication", "Use an API token: `user` left out or `__token__`, `password` the token."),
    ("verified primary email", "The owner of the token verifies the e-mail address of the account."),
    ("two-factor authentication", "The owner of the token enables two-factor authentication."),
    ("too many new projects", "Wait: PyPI limits how many projects a user may create in a day."),
    ("file too large", "Ask PyPI for a higher limit for this project (https://docs.pypi.org/project-management/)."),
    ("project size too large", "Delete old releases or ask PyPI for a higher limit for the project."),
    ("digest supplied does not match", "The file changed on its way: run the job again."),
)
"""Words of PyPI's refusals, in lower case → what to do. Source: warehouse, 2026-08; the first that fits is used."""


def explain(index: Index, verdict: Verdict, answer: Answer, size: int) -> tuple[PublishError, Scope]:
    """Say what a refusal of a file of `size` bytes means, in the server's own words first."""
    meaning = MEANINGS[verdict]
    lower = answer.said.lower()
    tip = next((tip for words, tip in TIPS if words in lower), meaning.tip)
    seen = f"{index.title} answered {answer.status}{f': {answer.reason}' if answer.reason else ' without a reason'}"
    if verdict is Verdict.MISDIRECTED:
        seen += f" to a POST to {index.shown}"
        if answer.location:
            seen += f", pointing to {redacted(answer.location)} (not followed, no credential was sent there)"
    if verdict is Verdict.TOO_LARGE:
        seen += f" (the file has {bytes_shown(size)})"
    full_stop = "" if seen.endswith((".", "!", "?")) else "."
    return meaning.kind(meaning.title, seen + full_stop, tip), meaning.scope
