"""What the runner masks, and what it does not."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.action.masks import Masker


def masker(*values: str) -> Masker:
    """Give a masker that knows these values."""
    made = Masker()
    for value in values:
        made.add(value)
    return made


def test_masks_are_exact() -> None:
    """A mask is a substring as it stands: other letters, a part, or a space inside are not masked."""
    assert masker("s3cret").mask("s3cret S3CRET s3cre s3 cret xs3cretx") == "*** S3CRET s3cre s3 cret x***x"


def test_overlaps_become_one() -> None:
    """Masks that overlap or touch are replaced together."""
    assert masker("abcd", "cdef").mask("-abcdef-abcdcdef-abcd-") == "-***-***-***-"
    assert masker("aa").mask("aaab") == "***b"


def test_each_line_is_a_mask() -> None:
    """A value of several lines is masked as a whole and line by line, without the space around a line."""
    masks = masker("{\r\n  key\n}")
    assert masks.values == ["{\r\n  key\n}", "{", "key", "}"]
    assert masks.mask("{ my key }") == "*** my *** ***"


def test_an_empty_value_masks_nothing() -> None:
    """No value, no mask."""
    assert masker("").mask("text") == "text"


@pytest.mark.parametrize(
    "spelling",
    [
        base64.b64encode(b"""pa'ss"wo<r&d""").decode(),
        base64.b64encode(b"""__token__:pa'ss"wo<r&d""").decode()[16:],
        """pa'ss\\"wo<r&d""",
        """pa''ss"wo<r&d""",
        quote("""pa'ss"wo<r&d""", safe=""),
        "pa&apos;ss&quot;wo&lt;r&amp;d",
        """pa'ss"wo<r&""",
    ],
)
def test_encoders(spelling: str) -> None:
    """A value is also masked in the spellings of Base64, shells, expressions, JSON, URLs and XML."""
    assert "***" in masker("""pa'ss"wo<r&d""").mask(spelling)


def test_the_inside_of_quotes() -> None:
    """Of a value in double quotes, what is inside is masked if the whole is longer than eight characters."""
    assert masker('"1234567"').mask("1234567") == "***"
    assert masker('"123456"').mask("123456") == "123456"


def test_powershell() -> None:
    """Parts that PowerShell would print by themselves are masks from six characters on."""
    assert masker("first1&second").mask("first1& second first") == "*** *** first"
    assert masker("first1&+Xsecond").mask("first1&+ second") == "*** ***"


WITHOUT_STARS = st.text(st.characters(codec="utf-8", exclude_characters="*"))


@given(WITHOUT_STARS.filter(bool), WITHOUT_STARS, WITHOUT_STARS)
def test_nothing_of_the_value_is_left(value: str, before: str, after: str) -> None:
    """What is left around the stars does not hold the value."""
    rest = masker(value).mask(before + value + after).split("***")
    assert len(rest) > 1
    assert not [part for part in rest if value in part]


@given(st.text(min_size=1), st.binary(max_size=5))
def test_base64_finds_any_alignment(value: str, before: bytes) -> None:
    """Whatever precedes a value of some length, its Base64 is recognised in the Base64 of the whole."""
    value = f"{value}-is-long-enough"
    if (len(before) + len(value.encode())) % 3:
        value += "x" * (3 - (len(before) + len(value.encode())) % 3)  # without padding inside a spelling
    assert "***" in masker(value).mask(base64.b64encode(before + value.encode()).decode())


@given(st.text(min_size=1))
def test_json_is_recognised(value: str) -> None:
    """A value inside a JSON document is masked, whatever has to be escaped in it."""
    assert "***" in masker(value).mask(json.dumps({"token": value}, ensure_ascii=False))
