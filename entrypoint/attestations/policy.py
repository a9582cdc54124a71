"""Policy: whether files are signed, and what it means that they cannot be."""

from __future__ import annotations

from typing import Literal, NamedTuple

from entrypoint.credentials.exchange import quoted
from entrypoint.credentials.problems import documented
from entrypoint.errors import Note, PublishError, Unavailable
from entrypoint.index import Index

Mode = Literal["true", "required", "false"]

SECONDS = 300.0
"""Seconds in which everything is signed, or not."""

NOT_LATER = (
    "None can be added to a file once it is published. To stop instead, write `attestations: required`; the next run "
    "signs then."
)


class Decision(NamedTuple):
    """Whether attestations are made."""

    sign: bool = False
    required: bool = False
    """Whether nothing is published without."""
    note: Note | None = None
    """Why there are none, where a user may expect some."""


NONE = Decision()


def decide(index: Index, mode: Mode, *, publisher: bool, identity: bool) -> Decision:
    """Decide by index and credential. Raises `CredentialError` where attestations are required and cannot be.

    `publisher`: whether we sign in as a trusted publisher; `identity`: whether the job may have an ID token.
    """
    if mode == "false":
        return NONE
    required = mode == "required"
    if index.attestations and publisher:
        return Decision(sign=True, required=required)
    if index.attestations:
        error = documented(
            "No attestations: this is no trusted publisher",
            f"{index.title} takes attestations from trusted publishers only, and this run does not sign in as one.",
            "Publish as a trusted publisher (docs/pypi.md), or write `attestations: false`.",
        )
        return Decision(note=shortcoming(Decision(required=required), error))
    if not required:
        return NONE
    if index.google:
        raise documented(
            "No attestations: the index takes none",
            f"`attestations` is 'required', and {index.title} is not known to take any.",
            "Leave it out, or publish to an index that takes attestations.",
        )
    if not identity:
        raise documented(
            "No attestations: the job has no identity",
            "`attestations` is 'required', and this job may not have an ID token to sign with.",
            "In a job of GitHub's give `permissions: id-token: write`.",
        )
    return Decision(sign=True, required=True)


def shortcoming(decision: Decision, error: PublishError) -> Note:
    """Say that the release goes on without. Raises the error where attestations are required."""
    if decision.required:
        raise error
    note = Note.of("warning", error.saying(" The release goes on without attestations."))
    # The tip of an outage is to run the job again.
    return note._replace(tip=NOT_LATER) if isinstance(error, Unavailable) else note


def too_long(seen: str = "") -> Unavailable:
    """Say that the time is over in which everything should have been signed."""
    return Unavailable(
        "Signing takes too long",
        f"Not everything was signed within {SECONDS:.0f} s.{seen}",
        "See https://status.sigstore.dev, and run the job again.",
    )


def broken(error: Exception) -> PublishError:
    """Say that signing failed in a way that nobody thought of."""
    return documented(
        "Signing failed",
        f"Something is wrong in this program, or in what it was installed with: {type(error).__name__}: "
        f"{quoted(str(error)).rstrip('.')}.",
        "Please report it. `attestations: false` publishes without.",
    )
