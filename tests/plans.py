"""Plans of what is in a folder, made against what an index is said to have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import httpx

from entrypoint.client import Signer
from entrypoint.distribution import collect
from entrypoint.errors import PublishError
from entrypoint.index import Index, locate
from entrypoint.patience import Patience
from entrypoint.plan import Lenience, Plan, examine, make
from entrypoint.simple import Project
from entrypoint.stock import Inventory, Stock
from tests.line import Waits

PYPI = locate(name="pypi", url=None, workspace=Path("/")).index
GENERIC = locate(name=None, url="https://packages.example.com/upload/", workspace=Path("/")).index


def planned(
    folder: Path,
    index: Index = PYPI,
    *,
    lenience: Lenience = Lenience(),  # noqa: B008 - frozen
    have: Mapping[str, Project | None] | None = None,
    problems: tuple[PublishError, ...] = (),
    skip_existing: bool = False,
    now: datetime | None = None,
) -> Plan:
    """Plan what is in a folder; nobody is asked, and `have` is what the index has."""
    with httpx.Client(transport=httpx.MockTransport(_unexpected)) as http:
        return make(
            index,
            examine(index, collect(["."], folder).found, lenience),
            Inventory(have or {}, problems),
            stock(index, http),
            lenience,
            skip_existing=skip_existing,
            now=now or datetime.now(UTC),
        )


def stock(index: Index, http: httpx.Client, retries: int = 0) -> Stock:
    """Make the simple index of an index; it is read anonymously, and nothing is waited for."""
    return Stock(index, http, Signer(), Patience(retries, Waits().clock))


def _unexpected(request: httpx.Request) -> NoReturn:
    raise AssertionError(f"nobody should ask for {request.url}")
