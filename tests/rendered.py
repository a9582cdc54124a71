"""Summaries as a reader sees them: Markdown made into HTML, and what a browser makes of that."""

from __future__ import annotations

from markdown_it import MarkdownIt

STYLE = """
:root { color-scheme: light; --text: #1f2328; --muted: #59636e; --back: #ffffff; --line: #d1d9e0; --soft: #d1d9e0b3;
  --stripe: #f6f8fa; --code: #818b981f; --link: #0969da; }
.dark { color-scheme: dark; --text: #f0f6fc; --muted: #9198a1; --back: #0d1117; --line: #3d444d; --soft: #3d444db3;
  --stripe: #151b23; --code: #656c7633; --link: #4493f8; }
body { margin: 0; padding: 24px; background: var(--back); color: var(--text); font: 16px/1.5 "Liberation Sans",
  "Noto Sans", Helvetica, Arial, sans-serif, "Noto Color Emoji"; overflow-wrap: break-word; }
p, ul, ol, table, pre, details { margin: 0 0 16px; }
h3, h4 { margin: 24px 0 16px; font-weight: 600; line-height: 1.25; }
body > :first-child { margin-top: 0; }
h3 { font-size: 1.25em; } h4 { font-size: 1em; }
ul { padding-left: 2em; } li + li { margin-top: .25em; }
a { color: var(--link); text-underline-offset: .2rem; }
code { padding: .2em .4em; font: 85% "Liberation Mono", monospace; background: var(--code); border-radius: 6px;
  white-space: break-spaces; }
pre { padding: 16px; background: var(--stripe); border-radius: 6px; overflow: auto; font-size: 85%; line-height: 1.45; }
pre code { padding: 0; background: none; font-size: 100%; white-space: pre; }
table { display: block; width: max-content; max-width: 100%; overflow: auto; border-collapse: collapse; }
th { font-weight: 600; } th, td { padding: 6px 13px; border: 1px solid var(--line); }
tr { border-top: 1px solid var(--soft); } tr:nth-child(2n) { background: var(--stripe); }
summary { cursor: pointer; }
"""
"""A likeness of GitHub's own (2026-11), by eye: what matters is what wraps, what is cut, and what stands out."""


MEASURED = "<script>document.documentElement.dataset.tall = Math.ceil(document.body.offsetHeight)</script>"
"""Tells how tall the page is, to who asks for it as it is in the end."""

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
"""CommonMark with tables, as GitHub reads it; tags are let through."""


def html_of(markdown: str) -> str:
    """Make HTML of Markdown as GitHub does."""
    return str(PARSER.render(markdown))


def page_of(markdown: str, *, dark: bool) -> str:
    """Make the page of a summary."""
    theme = "dark" if dark else "light"
    head = f'<!DOCTYPE html><html class="{theme}"><meta charset="utf-8"><style>{STYLE}</style>'
    return f"{head}<body>{html_of(markdown)}{MEASURED}</body></html>"
