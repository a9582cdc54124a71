"""A user name and a password or token, given by the workflow."""

from __future__ import annotations

from collections.abc import Iterator

from entrypoint.credentials import Context, Credential, basic, nobody
from entrypoint.errors import CredentialError, Note

ANONYMOUS = "anonymous"


def anonymous(context: Context) -> Credential | None:
    """Send no credential where the user says that the index takes none."""
    if context.user != ANONYMOUS or context.password:
        return None
    return nobody(context.index, "none (`user: anonymous`)")


def user_and_password(context: Context) -> Credential | None:
    """Use `user` and `password`. Raises `CredentialError` when one half is missing."""
    user = context.user if context.user is not None else context.index.user
    if context.password is None:
        if context.user is None:
            return None
        raise CredentialError(
            "`user` without `password`",
            f"`user` is {context.user!r}, and `password` is empty: is the secret set, and visible to this job?",
            "Give both, or neither. For an index that takes anonymous uploads, give `user: anonymous`.",
        )
    if user is None:
        raise CredentialError(
            "`password` without `user`",
            f"{context.index.title} knows its users by name, and `user` is empty.",
            "Give the user name that the password belongs to.",
        )
    if context.index.tokens and user != context.index.user:
        # Refused with 403 by warehouse (2026-08), after the whole file has been read.
        raise CredentialError(
            f"{context.index.title} takes no user names",
            f"`user` is {user!r}: user name and password are not accepted there since 2024.",
            f"Leave `user` out, and give an API token (`{context.index.tokens}…`) as `password`.",
        )
    return basic(context.index, user, context.password, f"`password`, as user {user!r}")


def doubts(context: Context) -> Iterator[Note]:
    """Yield what is odd about the credential, though it may yet be right."""
    prefix = context.index.tokens
    if prefix and context.password and not context.password.startswith(prefix):
        yield Note(
            "warning",
            "This does not look like a token",
            f"`password` does not begin with `{prefix}`, as the API tokens of {context.index.title} do.",
            tip="Check that the secret holds the whole token, and nothing else.",
        )
