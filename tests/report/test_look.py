"""How the summary looks: real runs, and what a reader sees of them before scrolling."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import scenes
from tests.line import Run
from tests.pictures import PICTURES, SHOWN, size
from tests.rendered import html_of

HEADLINES = {
    "good": "✅ Published to PyPI",
    "conflict": "❌ Nothing was sent to PyPI",
    "refused": "❌ Not everything is published to PyPI",
}


class Look(NamedTuple):
    """A rendered summary."""

    run: Run
    page: str

    @property
    def text(self) -> str:
        """What a reader sees."""
        return html.unescape(re.sub("<[^>]*>", "", self.page))

    @property
    def before(self) -> str:
        """What stands before the table, or before the line that unfolds it."""
        return self.page.partition("<table>")[0].partition("<details>")[0]


@pytest.fixture(
    params=[(kind, number) for kind in scenes.KINDS for number in scenes.NUMBERS],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
def scene(request: pytest.FixtureRequest) -> tuple[scenes.Kind, int]:
    """Give a scene: how it ends, and how many files there are."""
    return request.param  # type: ignore[no-any-return]  # as above


def test_the_look(scene: tuple[scenes.Kind, int], tmp_path: Path) -> None:
    """Outcome, cause and next step come first, then the links, one table of all files, folded if it is long, and what
    to do; nothing of Markdown is left to be seen.
    """
    kind, number = scene
    ours = scenes.run(kind, number, tmp_path)
    look = Look(ours, html_of(ours.summary))
    headline = HEADLINES[kind] if (kind, number) != ("refused", 1) else "❌ Nothing is published to PyPI"
    assert look.page.startswith(f"<h3>{headline}</h3>")
    assert ("<strong>Cause:</strong>" in look.before) == ("<strong>Next step:</strong>" in look.before)
    assert ("<strong>Cause:</strong>" in look.before) == (ours.status != 0)
    assert (">What to do</h4>" in look.page.partition("</table>")[2]) == (ours.status != 0)
    assert len(re.sub("<[^>]*>", "", look.before)) < 800
    for release in ours.report["releases"]:
        assert f'<a href="{release["url"]}">{release["name"]} {release["version"]}</a>' in look.before
    table(look, number)
    assert not re.search(r"\*\*|\\[`*_|]|\]\(|^#|`", look.text, re.MULTILINE)
    assert len(re.findall("<a ", look.page)) == len(re.findall(r'<a href="https://pypi\.org/project/', look.page))


def table(look: Look, number: int) -> None:
    """Look at the table: one, with a row for each file, those that need attention first; folded if it is long."""
    assert look.page.count("<table>") == 1
    assert look.page.count("<tr>") == 1 + number
    assert [f"<code>{name}</code>" in look.page for name in look.run.states] == [True] * number
    states = re.findall(r"<td>(?:\S+)\N{NO-BREAK SPACE}(failed|conflict|not.attempted|uploaded)</td>", look.page)
    assert len(states) == number
    order = ["conflict", "failed", "not\N{NO-BREAK SPACE}attempted", "uploaded"]
    assert states == sorted(states, key=order.index)
    inside = re.search(
        r"<details><summary>All \d+ files: .*</summary>\n<table>.*</table>\n</details>", look.page, re.DOTALL
    )
    assert bool(inside) == (number > 20)
    assert look.page.count("<details>") == look.page.count("</details>") == (number > 20)
    assert not re.search(r"<td>[^<]*[0-9a-f]{13}", look.page), "a digest cannot be broken, and widens the table"


def test_pictures() -> None:
    """The pictures of the documents are there in both themes, and small."""
    for kind, number in SHOWN:
        for theme in ("light", "dark"):
            path = PICTURES / f"summary-{kind}-{number}-{theme}.png"
            assert size(path)[0] > 900
            assert path.stat().st_size < 150_000
