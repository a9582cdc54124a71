"""Providers, in the order in which they are asked; each is imported when its turn comes."""

from __future__ import annotations

from collections.abc import Iterator

from entrypoint.credentials import Provider, static


def in_order() -> Iterator[Provider]:
    """Yield them."""
    yield static.anonymous
    yield static.user_and_password
    from entrypoint.credentials.google import google  # noqa: PLC0415 - see above

    yield google
    from entrypoint.credentials.trusted_publishing import trusted_publishing  # noqa: PLC0415 - see above

    yield trusted_publishing
    from entrypoint.credentials.keyring import keyring  # noqa: PLC0415 - see above

    yield keyring
