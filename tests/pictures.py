"""Pictures of job summaries, from real runs: `python -m tests.pictures [folder]`, with Chromium on PATH.

Without a folder the pictures of the documents are made anew; with one, those of every scene go there.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import scenes
from tests.line import ROOT
from tests.rendered import page_of

PICTURES = ROOT / "docs" / "pictures"
SHOWN: tuple[tuple[scenes.Kind, int], ...] = (("good", 4), ("refused", 4))
"""Scenes that the documents show."""
FEW = 12
DELAY = 0.4
"""Seconds that PyPI takes for a file of a picture."""
WIDTH = 980
"""Pixels that a summary has on the page of a run."""
TALL = 4000
"""Pixels of a picture at most."""
SECONDS = 60
OFFLINE = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)


def picture(markdown: str, to: Path, *, dark: bool) -> None:
    """Take a picture of a summary, as tall as it is."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        raise SystemExit("Chromium is not installed: `apt-get install chromium`.")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        page.write_text(page_of(markdown, dark=dark), encoding="utf-8")
        command = [browser, *OFFLINE, f"--user-data-dir={folder}/profile"]

        def seen(*arguments: str) -> str:
            whole = [*command, *arguments, page.as_uri()]
            return subprocess.run(whole, check=True, capture_output=True, text=True, timeout=SECONDS).stdout

        tall = re.search(r'data-tall="(\d+)"', seen("--dump-dom", f"--window-size={WIDTH},{TALL}"))
        assert tall
        seen(f"--screenshot={to}", f"--window-size={WIDTH},{min(TALL, int(tall[1]))}")


def size(path: Path) -> tuple[int, int]:
    """Read width and height of a PNG."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return int(width), int(height)


def main() -> None:
    """Make the pictures."""
    every = [(kind, number) for number in scenes.NUMBERS for kind in scenes.KINDS]
    to = Path(sys.argv[1]).absolute() if sys.argv[1:] else PICTURES
    to.mkdir(parents=True, exist_ok=True)
    for kind, number in every if sys.argv[1:] else SHOWN:
        with tempfile.TemporaryDirectory() as folder:
            ours = scenes.run(kind, number, Path(folder), delay=0.0 if number > FEW else DELAY)
        for theme in ("light", "dark"):
            path = to / f"summary-{kind}-{number}-{theme}.png"
            picture(ours.summary, path, dark=theme == "dark")
            print(f"{path}: {path.stat().st_size} bytes")  # noqa: T201 - for who runs it
        if sys.argv[1:]:
            (to / f"{kind}-{number}.log").write_text(ours.raw)
            (to / f"{kind}-{number}.md").write_text(ours.summary)


if __name__ == "__main__":
    main()
