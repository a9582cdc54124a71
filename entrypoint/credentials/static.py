"""A user name and a password or token, given by the workflow."""

from __future__ import annotations

from entrypoint.credentials import Context, Credential, basic
from entrypoint.errors import CredentialError

ANONYMOUS = "anonymous"


def anonymous(context: Context) -> Credential | None:
    """Send no credential where the user says that the index takes none."""
    if context.user != ANONYMOUS or context.password:
        return None
    return Credential(context.index.origin, "none (`user: anonymous`)", None)


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
    return basic(context.index, user, context.password, f"`password`, as user {user!r}")
