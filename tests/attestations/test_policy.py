"""Policy: whether files are signed, by index, credential and job."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.attestations.policy import NONE, NOT_LATER, Decision, Mode, decide, shortcoming
from entrypoint.credentials.problems import PAGE, anchor
from entrypoint.errors import CredentialError, PublishError, Unavailable
from entrypoint.index import Index, locate
from tests.plans import GENERIC, PYPI

TESTPYPI = locate(name="testpypi", url=None, workspace=Path()).index
GOOGLE = locate(name=None, url="https://europe-west1-python.pkg.dev/acme/packages/", workspace=Path()).index
OTHERS = (GENERIC, GOOGLE)

SIGN, MUST = Decision(sign=True), Decision(sign=True, required=True)
NO_PUBLISHER = "No attestations: this is no trusted publisher"
NO_INDEX = "No attestations: the index takes none"
NO_IDENTITY = "No attestations: the job has no identity"

TABLE: list[tuple[tuple[Index, ...], Mode, bool, bool, Decision | str]] = [
    # indexes, mode, a trusted publisher's credential, an identity → the decision, or the title of a problem
    ((PYPI, TESTPYPI), "true", True, True, SIGN),
    ((PYPI, TESTPYPI), "required", True, True, MUST),
    ((PYPI, TESTPYPI), "true", False, True, NO_PUBLISHER),
    ((PYPI, TESTPYPI), "true", False, False, NO_PUBLISHER),
    ((PYPI, TESTPYPI), "required", False, True, NO_PUBLISHER),
    ((PYPI, TESTPYPI), "required", False, False, NO_PUBLISHER),
    (OTHERS, "true", False, True, NONE),
    (OTHERS, "true", True, True, NONE),
    (OTHERS, "true", False, False, NONE),
    ((GENERIC,), "required", False, True, MUST),
    ((GENERIC,), "required", True, True, MUST),
    ((GENERIC,), "required", False, False, NO_IDENTITY),
    ((GOOGLE,), "required", False, True, NO_INDEX),
    ((GOOGLE,), "required", False, False, NO_INDEX),
    ((PYPI, TESTPYPI, *OTHERS), "false", True, True, NONE),
    ((PYPI, TESTPYPI, *OTHERS), "false", False, False, NONE),
]


@pytest.mark.parametrize(
    ("index", "mode", "publisher", "identity", "expected"),
    [(index, *rest) for indexes, *rest in TABLE for index in indexes],
)
def test_the_table(index: Index, mode: Mode, publisher: bool, identity: bool, expected: Decision | str) -> None:
    """What cannot be had is an error where it is required; otherwise a warning on an index that would take it, and
    nothing at all where nobody expects it.
    """
    if isinstance(expected, Decision):
        assert decide(index, mode, publisher=publisher, identity=identity) == expected
    elif mode == "required":
        with pytest.raises(CredentialError) as error:
            decide(index, mode, publisher=publisher, identity=identity)
        assert error.value.title == expected
        assert error.value.links == (f"{PAGE}#{anchor(expected)}",)
    else:
        decision = decide(index, mode, publisher=publisher, identity=identity)
        assert (decision.sign, decision.required) == (False, False)
        assert decision.note is not None
        assert (decision.note.level, decision.note.title) == ("warning", expected)
        assert decision.note.detail.startswith(f"{index.title} takes attestations from trusted publishers only, ")


OUTAGE = Unavailable("No answer", "It was silent.", "Run the job again.", links=("https://example.com",))
REFUSAL = PublishError("Refused", "It said no.", "Ask why.", block="a block")


@pytest.mark.parametrize(("error", "tip"), [(OUTAGE, NOT_LATER), (REFUSAL, "Ask why.")])
def test_a_shortcoming(error: PublishError, tip: str) -> None:
    """It is a warning that says how the release goes on, and does not advise to run again what will have worked; where
    attestations are required it is the error itself.
    """
    note = shortcoming(SIGN, error)
    assert (note.level, note.title, note.tip) == ("warning", error.title, tip)
    assert (note.block, note.links) == (error.block, error.links)
    assert note.detail == f"{error.detail} The release goes on without attestations."
    with pytest.raises(PublishError) as raised:
        shortcoming(MUST, error)
    assert raised.value is error
