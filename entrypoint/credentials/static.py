"""A user name and a password or token, given by the workflow."""

from __future__ import annotations

from collections.abc import Iterator

from entrypoint.credentials import Context, Credential, held, nobody
from entrypoint.errors import CredentialError, Note

ANONYMOUS = "anonymous"


def anonymous(context: Context) -> Credential | None:
    """Send no credential where the user says that the index takes none."""
    if context.user != ANONYMOUS or context.password:
        return None
    return nobody(context, "none (`user: anonymous`)")


def user_and_password(context: Context) -> Credential | None:
    """Use `user` and `password`. Raises `CredentialError` when one half is missing."""
    index, user = context.index, context.user if context.user is not None else context.index.user
    if index.tokens and user != index.user:
        # Refused with 403 by warehouse (2026-08), after the whole file has been read.
        raise CredentialError(
            f"{index.title} takes no user names",
            f"`user` is {user!r}: user name and password are not accepted there since 2024.",
            f"Leave `user` out, and give an API token (`{index.tokens}…`) as `password`, or publish as a trusted "
            "publisher.",
        )
    if context.password is None:
        # The usual user name says nothing, and another one may have its password in a keyring.
        if context.user in (None, index.user, "__token__") or context.inputs.keyring_provider != "disabled":
            return None
        raise CredentialError(
            "`user` without `password`",
            f"`user` is {context.user!r}, and `password` is empty: is the secret set, and visible to this job?",
            "Give both, or neither. For an index that takes anonymous uploads, give `user: anonymous`.",
        )
    if user is None:
        raise CredentialError(
            "`password` without `user`",
            f"{index.title} knows its users by name, and `user` is empty.",
            "Give the user name that the password belongs to.",
        )
    return held(context, user, context.password, f"`password`, as user {user!r}")


def doubts(context: Context) -> Iterator[Note]:
    """Yield what is odd about the credential, though it may yet be right."""
    index = context.index
    used = "`password`" if context.password else "`user: anonymous`" if context.user == ANONYMOUS else ""
    if used and (given := context.inputs.google):
        yield Note(
            "warning",
            "A Google input is not used",
            f"{used} is given, and goes before `{'`, `'.join(given)}`.",
            tip=f"Remove {used} to publish without a stored secret, or the Google inputs.",
        )
    if not context.password:
        return
    if index.tokens and not context.password.startswith(index.tokens):
        yield Note(
            "warning",
            "This does not look like a token",
            f"`password` does not begin with `{index.tokens}`, as the API tokens of {index.title} do.",
            tip="Check that the secret holds the whole token, and nothing else.",
        )
    if index.google and context.user == "__token__":
        yield Note(
            "warning",
            "This is not the user name for Artifact Registry",
            "`user` is '__token__', which gets 401 there even with a good token.",
            tip="Leave `user` out: it is `oauth2accesstoken`, and `password` an access token.",
        )
